"""Fine-tuning a pretrained model: what has a loss, what is held out, what is kept, and that a kill changes nothing.

Covers `training/tuning.py`, `training/states.py`, `training/lora.py` and `prompts/fitting.py`.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from texts import merging, wrapped
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig

from headreuse.errors import HeadreuseError
from headreuse.models.checkpoints import fingerprint_of, load_model
from headreuse.prompts import make_prompts
from headreuse.prompts.foreign import Foreign
from headreuse.records import Checkpoint
from headreuse.store.notes import read_note
from headreuse.study import Study, parse_study
from headreuse.study.streams import Stream
from headreuse.study.training_spec import LoraSpec
from headreuse.training.lora import adapted, merged
from headreuse.training.states import TRAINED
from headreuse.training.tuning import Tuning, tune, without_dropout

SIZE = {"vocab_size": 400, "bos_token_id": 1, "eos_token_id": 2}
CONFIGS = {
    "gpt2": GPT2Config(n_embd=16, n_layer=1, n_head=2, n_positions=64, resid_pdrop=0.5, attn_pdrop=0.5, **SIZE),
    "llama": LlamaConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        attention_dropout=0.5,
        **SIZE,
    ),
}
CONFIGS["large_weights"] = LlamaConfig(**CONFIGS["llama"].to_diff_dict() | {"initializer_range": 0.3})
LORA = {"rank": 4, "alpha": 8.0}
STEPS = 6


def pretrained(folder: Path, name: str, *, step: int = 10) -> Checkpoint:
    """A random model of a few weights, in the place of a pretrained one, with a tokenizer that merges characters."""
    torch.manual_seed(step)
    AutoModelForCausalLM.from_config(CONFIGS[name]).save_pretrained(folder)
    wrapped(merging()).save_pretrained(folder)
    return Checkpoint(folder, step, fingerprint_of(folder))


@pytest.fixture(scope="module")
def starts(tmp_path_factory) -> dict[str, Checkpoint]:
    return {name: pretrained(tmp_path_factory.mktemp(name) / "checkpoint-10", name) for name in CONFIGS}


def study(**training) -> Study:
    forms = {"copy": "Copy: {prompt}", "reverse": "{task}: {prompt}"}
    main, auxiliary = (
        {"task": task, "max_length": length, "template": forms[task], "shots": 1}
        for task, length in (("copy", 2), ("reverse", 3))
    )
    spec = {"steps": STEPS, "batch_size": 8, "checkpoints": {"every": 2}, "learning_rate": 1e-2} | training
    group = {"name": "pair", "start": {"folder": "out"}, "main": main, "auxiliary": [auxiliary], "training": spec}
    return parse_study({"name": "small", "alphabet_size": 3, "groups": [group]}, "study.toml")


def tuning_of(start: Checkpoint, folder: Path, seed: int = 0, **training) -> Tuning:
    settings = study(**training)
    encoder = replace(Foreign.read(start.path), ends=True)
    return Tuning(settings, settings.groups[0], seed, start, encoder, folder)


def tuned(
    start: Checkpoint, folder: Path, *, on_step: Callable[[int, float], None] = lambda step, loss: None, **settings
) -> Path:
    tuning = tuning_of(start, folder, **settings)
    tune(tuning, on_step=on_step)
    return tuning.place


def weights(place: Path) -> bytes:
    return (place / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(starts, tmp_path_factory) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("undisturbed")
    return {
        "full": weights(tuned(starts["gpt2"], root / "full")),
        "lora": weights(tuned(starts["gpt2"], root / "lora", lora=LORA)),
    }


def test_only_the_answer_and_the_end_of_the_text_have_a_loss_and_held_out_prompts_are_not_among_them(starts, tmp_path):
    tuning = tuning_of(starts["llama"], tmp_path, steps=40)
    tokenizer, trained_on = wrapped(merging()), {"copy": set(), "reverse": set()}
    for batch in tuning.batches(0):
        for tokens, labels in zip(batch["input_ids"], batch["labels"], strict=True):
            answer = tokenizer.decode(labels[labels != -100])
            text = tokenizer.decode(tokens[: int((labels != -100).nonzero().max()) + 1])
            _shown, asked = text.removeprefix("<s>").removesuffix(answer).split("\n\n")
            name, letters = asked.rstrip("=").split(": ")
            # A token in which the end of the prompt and the answer are merged counts as the answer's.
            right = (letters if name == "Copy" else letters[::-1]) + "</s>"
            assert answer.removeprefix("=") == right
            assert torch.equal(labels[labels != -100], tokens[labels != -100])
            trained_on[name.lower()].add(letters)
    for name, letters in trained_on.items():
        longest = {"copy": 2, "reverse": 3}[name]
        for length in range(1, longest + 1):
            prompts = make_prompts(
                tuning.study.task(name), np.full(64, length), Stream.EVALUATION.generator(0, length), tuning.encoder
            )
            texts = {tokenizer.decode(row).split("=")[0].removeprefix("<s>") for row in prompts.tokens}
            assert texts
            assert not texts & letters
            assert any(len(text) == length for text in letters)


@pytest.mark.parametrize("lora", [None, LORA])
def test_the_loss_falls(lora, starts, tmp_path):
    losses = []
    start = starts["llama" if lora is None else "large_weights"]
    tuned(
        start,
        tmp_path,
        on_step=lambda step, loss: losses.append(loss),
        lora=lora,
        steps=20,
        learning_rate=3e-2,
        warmup=0,
    )
    if lora is None:
        assert losses[0] == pytest.approx(np.log(400), abs=0.3)
    assert np.mean(losses[-5:]) < (0.7 if lora is None else 0.9) * losses[0]


def test_seeds_have_other_batches_and_revisions_have_the_same(starts, tmp_path):
    first = {
        (name, seed): tuning_of(starts[name], tmp_path, seed=seed).batches(0).batch(0)["input_ids"]
        for name in CONFIGS
        for seed in (0, 1)
    }
    assert torch.equal(first["gpt2", 0], first["llama", 0])
    assert not torch.equal(first["gpt2", 0], first["gpt2", 1])


def test_a_fine_tuned_model_lies_there_as_any_other_and_says_what_it_started_from(starts, tmp_path):
    at_first = {file: file.read_bytes() for file in starts["gpt2"].path.iterdir()}
    place = tuned(starts["gpt2"], tmp_path, lora=LORA)
    assert place.name == "checkpoint-10"
    assert at_first == {file: file.read_bytes() for file in starts["gpt2"].path.iterdir()}
    note = read_note(place)
    assert (note.group, note.label, note.step, note.start) == ("pair", 0, 10, starts["gpt2"].fingerprint)
    assert note.fingerprint == fingerprint_of(place) != note.start
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (place / name).read_bytes() == (starts["gpt2"].path / name).read_bytes()
    before, after = load_model(starts["gpt2"].path), load_model(place)
    assert after.config.resid_pdrop == 0.5, "dropout is off in fine-tuning alone"
    changed = {name for name, weight in after.named_parameters() if not torch.equal(weight, before.get_parameter(name))}
    assert changed == {
        f"transformer.h.0.{part}.weight" for part in ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")
    }
    assert list(tmp_path.iterdir()) == [place]


def test_it_is_kept_in_bfloat16_on_request(starts, tmp_path):
    tuning = tuning_of(starts["llama"], tmp_path)
    tune(replace(tuning, bf16=True), on_step=lambda step, loss: None)
    kept = load_file(tuning.place / "model.safetensors")
    assert {weight.dtype for weight in kept.values()} == {torch.bfloat16}
    full = load_model(tuned(starts["llama"], tmp_path / "full"))
    assert all(torch.equal(weight, full.state_dict()[name].bfloat16()) for name, weight in kept.items())


class Killed(BaseException):
    """Goes through everything, as a kill does."""


@pytest.mark.parametrize("way", ["full", "lora"])
def test_stopping_any_number_of_times_changes_nothing_in_the_end(way, starts, undisturbed, tmp_path):
    lora = {"lora": LORA} if way == "lora" else {}
    for last in (3, 5):

        def fail(step, _loss, last=last):
            if step == last:
                raise Killed

        with pytest.raises(Killed):
            tuned(starts["gpt2"], tmp_path, on_step=fail, **lora)
    (state,) = tmp_path.glob(".tuning/10/checkpoint-*")
    assert state.name == "checkpoint-4", "only the last is kept"
    n_kept = sum(weight.numel() for weight in load_file(state / TRAINED).values())
    n_all = sum(weight.numel() for weight in load_file(starts["gpt2"].path / "model.safetensors").values())
    assert (n_kept < n_all) == (way == "lora")
    steps = []
    place = tuned(starts["gpt2"], tmp_path, on_step=lambda step, loss: steps.append(step), **lora)
    assert steps == [5, 6]
    assert weights(place) == undisturbed[way]


def stop_at_three(step: int, _loss: float) -> None:
    if step == 3:
        raise Killed


@pytest.fixture(scope="module")
def stopped(starts, tmp_path_factory) -> Path:
    """A run folder with the state of step 2 of a fine-tuning of 6."""
    root = tmp_path_factory.mktemp("stopped")
    with pytest.raises(Killed):
        tuned(starts["gpt2"], root, on_step=stop_at_three)
    return root


@pytest.mark.parametrize("damage", ["a byte", "a file", "the note", "another start", "other settings"])
def test_a_state_that_is_damaged_or_of_another_fine_tuning_is_not_gone_on_from(damage, starts, stopped, tmp_path):
    root, start, settings = tmp_path / "run", starts["gpt2"], {}
    shutil.copytree(stopped, root)
    (state,) = root.glob(".tuning/10/checkpoint-2")
    if damage == "a byte":
        content = bytearray((state / "optimizer.pt").read_bytes())
        content[-1] ^= 1
        (state / "optimizer.pt").write_bytes(content)
    elif damage == "a file":
        (state / "optimizer.pt").unlink()
    elif damage == "the note":
        (state / "headreuse.json").write_text("{")
    elif damage == "another start":
        start = replace(start, fingerprint="f" * 64)
    else:
        settings = {"learning_rate": 1e-3}
    steps = []

    def note_first(step: int, _loss: float) -> None:
        steps.append(step)
        raise Killed

    with pytest.raises(Killed):
        tuned(start, root, on_step=note_first, **settings)
    assert steps == [1]
    assert not state.exists()


def test_a_checkpoint_that_is_not_whole_is_left_alone(starts, tmp_path):
    (tmp_path / "checkpoint-10").mkdir()
    (tmp_path / "checkpoint-10" / "precious").write_text("x")
    with pytest.raises(HeadreuseError, match="checkpoint-10: no whole checkpoint of this training; move it away"):
        tuned(starts["gpt2"], tmp_path)
    assert (tmp_path / "checkpoint-10" / "precious").exists()


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_low_rank_changes_added_to_the_weights_give_the_same_answers(name, starts):
    def fresh(seed: int):
        return adapted(load_model(starts[name].path), LoraSpec(**LORA), seed=seed)

    model, tokens = fresh(0), torch.arange(30).reshape(2, 15)
    with torch.no_grad():
        assert torch.equal(model(tokens).logits, load_model(starts[name].path)(tokens).logits), "nothing is added yet"
        for part, weight in model.named_parameters():
            assert weight.requires_grad == ("lora_" in part)
            if "lora_B" in part:
                weight.normal_(generator=torch.Generator().manual_seed(0))
        expected = model(tokens).logits
        whole = merged(model)
        assert whole.state_dict().keys() == load_model(starts[name].path).state_dict().keys()
        assert not torch.allclose(load_model(starts[name].path)(tokens).logits, expected, atol=1e-2)
        assert torch.allclose(whole(tokens).logits, expected, atol=1e-5)
    first, again, other = (dict(fresh(seed).named_parameters()) for seed in (0, 0, 1))
    a = next(part for part in first if "lora_A" in part)
    assert torch.equal(first[a], again[a])
    assert not torch.equal(first[a], other[a])


def test_targets_that_the_model_lacks_are_told(starts):
    with pytest.raises(HeadreuseError, match=r"training\.lora\.targets: \['q_projj'\] cannot be adapted \(.*q_projj"):
        adapted(load_model(starts["llama"].path), LoraSpec(targets=("q_projj",)), seed=0)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_dropout_is_off_in_every_part(name, starts):
    model, tokens = load_model(starts[name].path).train(), torch.arange(20).reshape(2, 10)
    assert not torch.equal(model(tokens).logits, model(tokens).logits)
    without_dropout(model)
    assert torch.equal(model(tokens).logits, model.eval()(tokens).logits)


def test_prompts_that_are_longer_than_the_model_has_positions_are_told_before_training(starts, tmp_path):
    tuning = tuning_of(starts["gpt2"], tmp_path)
    (longer,) = (entry.model_copy(update={"max_length": 40}) for entry in tuning.group.auxiliary)
    group = tuning.group.model_copy(update={"auxiliary": (longer,)})
    with pytest.raises(HeadreuseError, match=r"reverse: prompts of \d+ tokens, but the model has 64 positions"):
        tune(replace(tuning, group=group), on_step=lambda step, loss: None)
