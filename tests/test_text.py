"""Are exactly the answer's tokens scored, whatever is merged? Against slow references.

Covers `prompts/text.py`, `prompts/splitting.py`, `prompts/rendering.py`, `prompts/tokenizing.py` and `prompts/form.py`.
"""

import numpy as np
import pytest
import torch
from texts import generated, merging, slow_log_prob, text_model, wrapped
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import ByT5Tokenizer, PreTrainedTokenizerFast

from headreuse.errors import HeadreuseError
from headreuse.evaluation import evaluate
from headreuse.overlap import ComparisonSettings, compare
from headreuse.prompts import TextForm, from_text, parse_prompts
from headreuse.prompts.text import prompts_of
from headreuse.prompts.tokenizing import TextTokenizer
from headreuse.records import Role
from headreuse.scores import SCORES, mean_ablation, zero_ablation
from headreuse.study.measure_spec import PATTERN_SCORES

CASES = [
    *((f"{a} + {b} =", f" {a + b}") for a, b in [(7, 35), (12, 3), (19, 20), (38, 39)]),
    # In the middle of what is one token for the tokenizer, and of a letter that is several.
    ("12 + 3 = 1", "5"),
    ("Reverse: 1234 ->", " 4321."),
    ("12 +", " 3 = 15; Reverse: 3"),
    ("café", "é 12"),
    ("12 → 3", "→"),
]
CLEAN, ANSWERS = map(list, zip(*CASES, strict=True))


def ids_of(text: str, tokenizer=None) -> list[int]:
    return (tokenizer or wrapped(merging()))(text)["input_ids"]


def n_before(prompt: str, answer: str) -> int:
    """How many tokens lie in the prompt alone, by the bytes that each stands for."""
    table, n_bytes = merging(), 0
    for place, token in enumerate(ids_of(prompt + answer)[1:], start=1):
        # In a byte-level vocabulary each byte is written as one character.
        n_bytes += len(table.id_to_token(token))
        if n_bytes > len(prompt.encode()):
            return place
    raise AssertionError("the answer has no token")


@pytest.mark.parametrize("name", ["gpt2", "llama_gqa"])
def test_log_probabilities_are_those_of_a_slow_reference_token_by_token(name):
    model = text_model(name)
    prompts = from_text(wrapped(merging()), CLEAN, ANSWERS)
    found = evaluate(model, prompts, micro_batch=4).outcomes["log_prob"]
    rows = [ids_of(prompt + answer) for prompt, answer in CASES]
    expected = [slow_log_prob(model, row, len(row) - n_before(*case)) for row, case in zip(rows, CASES, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    assert len({len(row) for row in rows}) > 3
    assert sum(len(row) - n_before(*case) for row, case in zip(rows, CASES, strict=True)) > len(rows)
    merged = [merging().decode(row[: n_before(*case)]) != case[0] for row, case in zip(rows, CASES, strict=True)]
    assert 0 < sum(merged) < len(rows), "some answers must be merged with their prompts"


@pytest.mark.parametrize("name", ["gpt2", "llama_gqa"])
def test_exact_match_is_greedy_generation(name):
    model, tokenizer = text_model(name), merging()
    clean, answers, expected = [], [], []
    for prompt in [f"{a} + {b} =" for a in range(4) for b in range(30, 36)]:
        before = ids_of(prompt)
        greedy = generated(model, before, 3)
        for tokens in (greedy[:1], greedy[:2], greedy[1:2], greedy[2:]):
            answer = tokenizer.decode(tokens)
            if answer and ids_of(prompt + answer) == [*before, *tokens]:
                clean.append(prompt)
                answers.append(answer)
                expected.append(tokens == greedy[: len(tokens)])
    found = evaluate(model, from_text(wrapped(tokenizer), clean, answers)).outcomes["exact_match"]
    assert found.tolist() == expected
    assert 3 < sum(expected) < len(expected) - 3


def test_logit_diff_is_taken_against_the_wrong_answer():
    model, tokenizer = text_model("gpt2"), wrapped(merging())
    wrong = [" 43", " 16", " 31", " 70"]
    prompts = from_text(tokenizer, CLEAN[:4], ANSWERS[:4], wrong_answers=wrong)
    found = evaluate(model, prompts).outcomes["logit_diff"]
    for row, (prompt, answer, other) in enumerate(zip(CLEAN[:4], ANSWERS[:4], wrong, strict=True)):
        right, false = ids_of(prompt + answer), ids_of(prompt + other)
        with torch.no_grad():
            logits = model(torch.tensor([right])).logits[0]
        places = range(n_before(prompt, answer), len(right))
        expected = np.mean(
            [(logits[place - 1, right[place]] - logits[place - 1, false[place]]).item() for place in places]
        )
        assert found[row] == pytest.approx(expected, abs=1e-4)
    # So little memory that each prompt is a batch of its own.
    np.testing.assert_allclose(zero_ablation(model, prompts, memory_budget=1).baseline["logit_diff"], found, rtol=1e-4)
    halves = [prompts[:2], prompts[2:]]
    assert np.concatenate([evaluate(model, half).outcomes["logit_diff"] for half in halves]) == pytest.approx(found)


@pytest.mark.parametrize("how", ["plain", "trimmed", "padding", "truncation"])
def test_how_a_tokenizer_is_set_up_to_pad_cut_or_trim_changes_nothing(how):
    tokenizer = merging()
    given = {
        "plain": lambda: tokenizer,
        "trimmed": lambda: wrapped(merging(trims=True)),
        "padding": lambda: wrapped(tokenizer, padding_side="right"),
        "truncation": lambda: wrapped(tokenizer, truncation_side="left"),
    }[how]()
    if how == "truncation":
        given("12 + 3 = 15", truncation=True, max_length=3, padding="max_length")
    before = given.to_str() if how == "plain" else given.backend_tokenizer.to_str()
    expected, found = (from_text(one, CLEAN, ANSWERS) for one in (wrapped(tokenizer), given))
    for name in ("tokens", "roles", "scored"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert (given.to_str() if how == "plain" else given.backend_tokenizer.to_str()) == before


def test_a_slow_tokenizer_is_asked_what_its_tokens_give_back():
    prompts = from_text(ByT5Tokenizer(), ["aé", "é→"], ["→b", "c"])
    assert prompts.scored.astype(int).tolist() == [[0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1, 0]]
    named = from_text(ByT5Tokenizer(), ["aé→b"], ["c"], spans=[{"x": [1, 2]}])
    assert (named.roles[0] == len(Role)).nonzero()[0].tolist() == [1, 2]


def test_special_tokens_stand_where_the_tokenizer_puts_them_and_once():
    framed, bare = wrapped(merging()), wrapped(merging(prefix=False))
    for tokenizer, text, n_bos in [
        (framed, "12 +", 1),
        (framed, "<s>12 +", 1),
        (bare, "12 +", 0),
        (bare, "<s>12 +", 1),
    ]:
        prompts = from_text(tokenizer, [text], [" 3"])
        assert (prompts.tokens[0] == framed.bos_token_id).sum() == n_bos
        assert (prompts.roles[0] == Role.BOS).nonzero()[0].tolist() == list(range(n_bos))
    scored = from_text(framed, ["12 +", "1 + 1 ="], [" 3", " 2"], end=True)
    last = np.where(scored.roles != Role.PAD, scored.tokens, -1)
    assert [row[row >= 0][-1] for row in last] == [framed.eos_token_id] * 2
    assert (
        scored.scored.sum(axis=1) == from_text(framed, ["12 +", "1 + 1 ="], [" 3", " 2"]).scored.sum(axis=1) + 1
    ).all()
    with pytest.raises(HeadreuseError, match="no token for the end of a text; leave `end` away"):
        from_text(merging(), ["12 +"], [" 3"], end=True)


CHAT = (
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant {{ strftime_now('%d') }}]{% endif %}"
)


@pytest.mark.parametrize("prefix", [True, False])
def test_a_chat_is_what_the_tokenizer_makes_of_it_on_any_day(prefix):
    tokenizer = wrapped(merging(prefix=prefix), chat_template=CHAT)
    form = TextForm("Say {prompt}", shots=1, chat=True)
    prompts = from_text(tokenizer, ["12 +", "3 +"], [" 3", " 4"], form=form)
    turns = [("user", "Say 3 +"), ("assistant", " 4"), ("user", "Say 12 +")]
    text = "<s>" + "".join(f"[{role}] {content}\n" for role, content in turns) + "[assistant 01] 3"
    assert prompts.tokens[0].tolist() == tokenizer(text, add_special_tokens=False)["input_ids"]
    assert prompts.roles[0, :2].tolist() == [Role.BOS, Role.INPUT]
    with pytest.raises(HeadreuseError, match="has no chat template; leave `chat` away"):
        from_text(wrapped(merging()), ["12 +"], [" 3"], form=TextForm(chat=True))


def test_a_form_is_the_text_around_and_solved_examples_are_other_rows():
    form = TextForm("{task}: {prompt} ->", shots=2)
    prompts = from_text(merging(), ["1", "22", "3"], [" 4", " 55", " 6"], task="t", form=form)
    texts = [
        merging().decode(row[mask].tolist())
        for row, mask in zip(prompts.tokens, prompts.roles != Role.PAD, strict=True)
    ]
    assert texts == [
        "t: 22 -> 55\n\nt: 3 -> 6\n\nt: 1 -> 4",
        "t: 1 -> 4\n\nt: 3 -> 6\n\nt: 22 -> 55",
        "t: 1 -> 4\n\nt: 22 -> 55\n\nt: 3 -> 6",
    ]
    with pytest.raises(HeadreuseError, match="2 prompts are too few for 2 solved examples of others"):
        from_text(merging(), ["1", "2"], ["3", "4"], form=form)
    with pytest.raises(HeadreuseError, match=r"give \{prompt\} once"):
        from_text(merging(), ["1", "2"], ["3", "4"], form=TextForm("x"))


def test_named_spans_are_roles_that_take_the_place_of_positions():
    clean = ["Reverse: 12 + 3 =", "12 + Reverse: 35 ="]
    spans = [{"a": [9, 11], "b": [14, 15]}, {"a": [0, 2], "b": [14, 16]}]
    prompts = from_text(merging(), clean, [" 4", " 5"], spans=spans)
    assert prompts.role_names == ("a", "b")
    for row, text in enumerate(clean):
        for role, name in enumerate("ab", start=len(Role)):
            tokens = prompts.tokens[row][prompts.roles[row] == role].tolist()
            start, end = spans[row][name]
            assert text[start:end] in merging().decode(tokens)
    assert (prompts.position, prompts.alignment) == ("role", "by the spans a, b")
    aligned = from_text(merging(), ["12 + 3 =", "13 + 3 ="], [" 4", " 5"], spans=[{"a": [0, 2]}] * 2)
    assert (aligned.position, aligned.alignment) == ("each", "position by position")
    assert aligned.layout[:2] == ("BOS", "a")
    assert from_text(merging(), CLEAN, ANSWERS).alignment == "pooled over positions"
    moved = from_text(merging(), clean, [" 4", " 5"], spans=spans, form=TextForm("Say: {prompt}"))
    named = [
        merging().decode(row[roles == len(Role)].tolist()) for row, roles in zip(moved.tokens, moved.roles, strict=True)
    ]
    assert all("12" in one and "+" not in one for one in named)


def test_everything_that_cannot_be_expressed_is_refused_at_once():
    rows = [
        {"clean": "12 + 3 =", "answer": " 15", "corrupted": "12 + 333333333 =", "wrong_answer": " 1"},
        {"clean": "12 + 3 =", "answer": " 15", "corrupted": "13 + 3 =", "wrong_answer": " 16"},
        {"clean": "12 + 3 =", "answer": "xy", "corrupted": "13 + 3 =", "wrong_answer": " 9"},
    ]
    file = parse_prompts("mine", "\n".join(map(str, rows)).replace("'", '"'), ".jsonl")
    with pytest.raises(HeadreuseError) as error:
        prompts_of(TextTokenizer(merging()), file, TextForm())
    lines = str(error.value).split("\n")
    assert [line.split(";")[0] for line in lines] == [
        f"mine: line 1: `corrupted` has {n_before('12 + 333333333 =', ' 15')} tokens before the answer, `clean` has 3",
        "mine: line 1: `wrong_answer` has 1 tokens, `answer` has 2",
        "mine: line 3: `wrong_answer` merges with the prompt into other tokens than `answer` does",
    ]


def test_answers_that_no_token_stands_for_and_answers_without_a_prompt_are_refused():
    bare = wrapped(merging(prefix=False))
    with pytest.raises(HeadreuseError, match=r"prompts: \[0\]: no token stands before the answer"):
        from_text(bare, ["", "a"], ["b", "c"])
    assert from_text(wrapped(merging()), [""], ["b"]).scored.tolist() == [[False, True]]
    words = Tokenizer(models.WordLevel({"?": 0, "a": 1, "b": 2}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.normalizer = normalizers.Lowercase()
    pieces = Tokenizer(models.Unigram([("?", 0.0), ("a", -1.0), ("b", -1.0), (" ", -1.0)], unk_id=0))
    for tokenizer in (words, pieces, PreTrainedTokenizerFast(tokenizer_object=pieces)):
        given = [" b", " x", "\nb", " B", " b"]
        with pytest.raises(HeadreuseError) as error:
            from_text(tokenizer, ["a"] * 5, given)
        lines = str(error.value).split("\n")
        assert [line[:14] for line in lines] == [f"prompts: [{row}]: " for row in (1, 2, 3)]
        assert "`answer` ' x' cannot be given back by the tokenizer: it becomes '" in lines[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clean": ["a"], "answers": ["b", "c"]}, "not as many of each: 1 clean, 2 answer"),
        ({"clean": [], "answers": []}, "there are 0"),
        ({"clean": ["a"], "answers": ["b"], "lengths": [0]}, r"\[0\]: `length` is 0; give a whole number"),
        ({"clean": ["a"], "answers": ["b"], "spans": [{"x": [0, 2]}]}, r"\[0\]: `spans` have x at \[0, 2\]"),
    ],
)
def test_lists_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(HeadreuseError, match=message):
        from_text(merging(), **arguments)
    with pytest.raises(HeadreuseError, match="str is no tokenizer; give one of Transformers"):
        from_text("gpt2", ["a"], ["b"])


def test_lengths_are_kept_and_prompts_of_all_lengths_are_taken_together_as_length_0():
    model = text_model("gpt2")
    prompts = from_text(merging(), CLEAN[:4], ANSWERS[:4], lengths=[1, 2, 1, 3])
    assert evaluate(model, prompts.of_length(1)).length == 1
    together = evaluate(model, prompts.of_length(0))
    assert together.length == 0
    np.testing.assert_allclose(
        together.outcomes["log_prob"][[0, 2]], evaluate(model, prompts.of_length(1)).outcomes["log_prob"], rtol=1e-5
    )
    assert mean_ablation(model, prompts.of_length(0), position="pooled").length == 0
    with pytest.raises(HeadreuseError, match="no prompt of length 4; there are 1, 2, 3"):
        prompts.of_length(4)


def test_scores_that_need_partners_say_so_and_ten_lines_of_python_compare_two_files():
    tokenizer, model = wrapped(merging()), text_model("llama_gqa")
    a = from_text(tokenizer, CLEAN, ANSWERS, task="sums")
    b = from_text(tokenizer, [f"Reverse: {n} ->" for n in range(10, 20)], [f" {n % 10}1" for n in range(10, 20)])
    with pytest.raises(HeadreuseError, match=r"sums: prompts are not of one layout.*give position='pooled'"):
        mean_ablation(model, a)
    scores = [mean_ablation(model, prompts, position=prompts.position) for prompts in (a, b)]
    found = compare(*scores, settings=ComparisonSettings(n_permutations=20), generator=np.random.default_rng(0))
    assert np.isfinite(found.loc[found["outcome"] == "log_prob", "value"]).all()
    for name, score in SCORES.items():
        if name in ("activation_patching", "attribution_patching", "denoising"):
            with pytest.raises(HeadreuseError, match=r"sums: .*give the column `corrupted`"):
                score.fitting(model, a)
        elif name in PATTERN_SCORES:
            with pytest.raises(HeadreuseError, match=f"sums: {name} is undefined in"):
                score.fitting(model, a)
        else:
            assert np.isfinite(score.fitting(model, a).effect(next(iter(scores[0].effects)))).all()
