"""A task's examples through a tokenizer of text that merges digits, from a checkpoint's folder."""

import json

import numpy as np
import pytest
from texts import merging, wrapped

from headreuse.errors import HeadreuseError
from headreuse.models.tokenizer import build_tokenizer
from headreuse.prompts import TextForm, TextPrompts, Vocabulary, encoder_of, make_prompts
from headreuse.prompts.foreign import Foreign
from headreuse.records import Role
from headreuse.tasks import TASKS, Task, evaluation_examples, is_held_out

REVERSE, ADD, RECALL = (TASKS[name](alphabet_size=4) for name in ("reverse", "reverse_add", "mqar"))
LENGTHS = np.array([3, 4, 3, 5])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("foreign")
    wrapped(merging()).save_pretrained(path)
    return path


def drawn(task: Task):
    return evaluation_examples(task, LENGTHS, np.random.default_rng(0))


def texts(prompts, scored=None) -> list[str]:
    mask = prompts.roles > Role.BOS if scored is None else scored
    return [merging().decode(row[keep].tolist()) for row, keep in zip(prompts.tokens, mask, strict=True)]


@pytest.mark.parametrize("task", [REVERSE, ADD], ids=lambda task: task.name)
def test_examples_read_as_text_in_the_form_that_is_asked_for(folder, task):
    examples = drawn(task)
    form = TextForm("{task}: {prompt} ")
    prompts = make_prompts(task, LENGTHS, np.random.default_rng(0), encoder_of(folder), form)
    pairs = [(task.text(a), task.text(b)) for a, b in zip(examples.prompt, examples.answer, strict=True)]
    assert texts(prompts) == [f"{task.name}: {prompt} {answer}" for prompt, answer in pairs]
    assert all(found.endswith(answer) for found, (_, answer) in zip(texts(prompts, prompts.scored), pairs, strict=True))
    assert prompts.lengths.tolist() == LENGTHS.tolist()
    assert prompts.contrast is None


def test_solved_examples_are_the_same_for_all_prompts_and_lengths_and_never_held_out(folder):
    encoder, form = encoder_of(folder), TextForm("{prompt} ", shots=3)
    prompts = make_prompts(REVERSE, LENGTHS, np.random.default_rng(0), encoder, form)
    longer = make_prompts(REVERSE, np.array([20]), np.random.default_rng(1), encoder, form)
    in_front = [text.split("\n\n")[:3] for text in texts(prompts) + texts(longer)]
    assert in_front == [in_front[0]] * 5
    for line in in_front[0]:
        prompt, answer = line.split(" ")
        assert REVERSE.answer(prompt) == answer
        symbols = np.array([[REVERSE.alphabet.index(symbol) for symbol in prompt]])
        assert not is_held_out(REVERSE, symbols).any()


def test_only_what_a_task_scores_is_scored(folder):
    examples = drawn(RECALL)
    prompts = make_prompts(RECALL, LENGTHS, np.random.default_rng(0), encoder_of(folder))
    for row, tokens in enumerate(prompts.tokens):
        expected = RECALL.answer(RECALL.text(examples.prompt[row]))
        scored = merging().decode(tokens[prompts.scored[row]].tolist())
        assert len(expected) >= 1
        assert all(letter in scored for letter in expected)
        assert prompts.scored[row].sum() < (prompts.roles[row] == Role.ANSWER).sum()


def test_partners_have_as_many_tokens_or_there_are_none(folder):
    encoder = encoder_of(folder)
    with_partners = encoder.encode(REVERSE, drawn(REVERSE), LENGTHS)
    assert with_partners.partners.shape == with_partners.tokens.shape
    differ = with_partners.partners != with_partners.tokens
    assert (differ & (with_partners.roles == Role.INPUT)).any(axis=1).all()
    assert not (differ & (with_partners.roles == Role.ANSWER)).any()
    sums = make_prompts(ADD, np.full(20, 4), np.random.default_rng(0), encoder)
    with pytest.raises(
        HeadreuseError, match=r"reverse_add: .*give the column `corrupted`, or ask for mean or zero ablation"
    ):
        _ = sums.partners


def test_our_own_tokenizer_is_not_foreign_and_refuses_text(folder, tmp_path):
    vocabulary = Vocabulary.of([REVERSE])
    build_tokenizer(vocabulary).save_pretrained(tmp_path)
    assert encoder_of(tmp_path) == vocabulary
    assert isinstance(encoder_of(folder), Foreign)
    with pytest.raises(HeadreuseError, match="reverse: template, shots and chat are for models of text"):
        vocabulary.encode(REVERSE, drawn(REVERSE), LENGTHS, TextForm(shots=1))
    with pytest.raises(HeadreuseError, match="mine: prompts of text are for models of text"):
        vocabulary.encode_text(TextPrompts("mine", ("a",), ("b",)))


def test_a_tokenizer_is_known_by_its_content_wherever_it_lies(folder, tmp_path):
    wrapped(merging()).save_pretrained(tmp_path)
    assert encoder_of(tmp_path) == encoder_of(folder)
    assert hash(encoder_of(tmp_path)) == hash(encoder_of(folder))
    wrapped(merging(prefix=False)).save_pretrained(tmp_path)
    assert encoder_of(tmp_path) != encoder_of(folder)


@pytest.mark.parametrize("broken", ["tokenizer.json", "code"])
def test_a_tokenizer_that_is_damaged_or_wants_code_is_refused_in_one_line(folder, tmp_path, broken):
    wrapped(merging()).save_pretrained(tmp_path)
    if broken == "code":
        settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
        settings |= {"tokenizer_class": "Mine", "auto_map": {"AutoTokenizer": ["mine.Mine", None]}}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
        (tmp_path / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Mine: pass\n")
    else:
        (tmp_path / "tokenizer.json").write_text('{"model": {"type": "BPE", "vocab": 3}}')
    with pytest.raises(HeadreuseError, match="its tokenizer cannot be loaded") as error:
        encoder_of(tmp_path).encode_text(TextPrompts("mine", ("a",), ("b",), places=("line 1",)))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "ran").exists()
