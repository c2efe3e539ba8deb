"""Whole checkpoints are found and loaded exactly; of others it is said what is wrong.

Covers `models/model_files.py`.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, GPT2Config, GPT2LMHeadModel

from headreuse.models.architectures import build_model
from headreuse.models.checkpoints import (
    CheckpointError,
    fingerprint_of,
    load_bridge,
    load_model,
    verify,
)
from headreuse.models.tokenizer import build_tokenizer
from headreuse.prompts import Vocabulary
from headreuse.sources.series.local import LocalOrigin
from headreuse.store.notes import read_note
from headreuse.study import CheckpointSchedule, Group, ModelSpec, Study, TaskRange, TrainingSpec
from headreuse.tasks import TASKS
from headreuse.training.joint import train

TOKENS = torch.tensor([[1, 3, 5, 6, 7, 4], [1, 4, 7, 7, 5, 0]])


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A series that this package trained, with checkpoints at steps 2, 9 and 10."""
    spec = TrainingSpec(steps=10, batch_size=4, checkpoints=CheckpointSchedule(at=(2, 9)))
    group = Group(name="alone", main=TaskRange(task="reverse", max_length=3), training=spec)
    study = Study(name="small", alphabet_size=3, groups=(group,), model=ModelSpec(n_layers=2, n_heads=2, d_model=16))
    folder = tmp_path_factory.mktemp("run") / "checkpoints" / "alone" / "seed-5"
    train(study, group, 5, folder, on_step=lambda step, loss: None)
    return folder


@pytest.fixture
def series(trained, tmp_path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(trained, tmp_path / "series"))


def small(position: str = "rope", seed: int = 0):
    spec = ModelSpec(position=position, n_layers=2, n_heads=2, d_model=16)
    return build_model(spec, vocab_size=9, max_positions=32, seed=seed).eval()


def tied(seed: int = 0) -> GPT2LMHeadModel:
    """GPT-2, whose embedding and unembedding are one."""
    torch.manual_seed(seed)
    shape = {"n_layer": 2, "n_head": 2, "n_embd": 8, "vocab_size": 9, "n_positions": 32}
    return GPT2LMHeadModel(GPT2Config(**shape, bos_token_id=1, eos_token_id=2)).eval()


def logits(model) -> torch.Tensor:
    with torch.no_grad():
        return model(TOKENS).logits


def test_our_own_series_is_found_in_the_order_of_its_steps(trained):
    found = LocalOrigin(trained).entries()
    assert [(entry.step, entry.run, entry.problem) for entry in found] == [(2, "", ""), (9, "", ""), (10, "", "")]
    first, path = found[0], trained / "checkpoint-2"
    assert first.place == str(path)
    assert first.fingerprint == fingerprint_of(path)
    note = read_note(path)
    assert (note.group, note.label, note.step, note.fingerprint) == ("alone", 5, 2, first.fingerprint)


def test_a_foreign_series_is_found_however_its_weights_are_split(tmp_path):
    for step, size in ((100, "1GB"), (20, "2KB")):
        tied(seed=step).save_pretrained(tmp_path / f"checkpoint-{step}", max_shard_size=size)
    (tmp_path / "notes").mkdir()
    sharded, whole = LocalOrigin(tmp_path, with_text=False).entries()
    assert (sharded.step, whole.step) == (20, 100)
    folder = Path(sharded.place)
    files = sorted(folder.glob("model-*.safetensors"))
    assert len(files) > 1
    content = files[-1].read_bytes()
    files[-1].write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert fingerprint_of(folder) != sharded.fingerprint
    files[-1].write_bytes(content)
    assert fingerprint_of(folder) == sharded.fingerprint
    assert torch.equal(logits(load_model(folder)), logits(tied(seed=20)))


def truncate(path: Path) -> None:
    weights = path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])


def truncate_of_a_foreigner(path: Path) -> None:
    (path / "headreuse.json").unlink()
    truncate(path)


def without_note(break_it: Callable[[Path], object]) -> Callable[[Path], object]:
    """The damage of a checkpoint that another tool has saved."""

    def damage(path: Path) -> None:
        (path / "headreuse.json").unlink()
        break_it(path)

    return damage


def flip_a_bit(name: str) -> Callable[[Path], object]:
    """Damage in the middle of a file, which leaves its size."""

    def damage(path: Path) -> None:
        content = bytearray((path / name).read_bytes())
        content[len(content) // 2] ^= 1
        (path / name).write_bytes(content)

    return damage


def edit(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        (path / "headreuse.json").unlink()
        weights = load_file(path / "model.safetensors")
        change(weights)
        save_file(weights, path / "model.safetensors", metadata={"format": "pt"})

    return damage


def pickle(path: Path) -> None:
    (path / "model.safetensors").unlink()
    torch.save({}, path / "pytorch_model.bin")


def lose_a_shard(path: Path) -> None:
    (path / "headreuse.json").unlink()
    (path / "model.safetensors").unlink()
    small().save_pretrained(path, max_shard_size="5KB")
    sorted(path.glob("model-*"))[1].unlink()


def rewrite(name: str, text: str) -> Callable[[Path], object]:
    return lambda path: (path / name).write_text(text)


DAMAGE = {
    "no config": (lambda path: (path / "config.json").unlink(), "config.json is missing"),
    "another config": (rewrite("config.json", "{"), "config.json is damaged (it is not what training wrote); copy it"),
    "unreadable config": (without_note(rewrite("config.json", "{")), "cannot be loaded (.*config.*)"),
    "nested config": (without_note(rewrite("config.json", "[" * 100_000)), "cannot be loaded"),
    "unknown architecture": (
        without_note(rewrite("config.json", '{"model_type": "unheard"}')),
        "cannot be loaded (.*unheard.*)",
    ),
    "a flipped bit": (flip_a_bit("model.safetensors"), "model.safetensors is damaged (it is not what training wrote)"),
    "a flipped bit of the tokenizer": (flip_a_bit("tokenizer.json"), "tokenizer.json is damaged"),
    "a lost tokenizer": (lambda path: (path / "tokenizer.json").unlink(), "tokenizer.json is damaged (it is gone)"),
    "another tokenizer beside": (rewrite("vocab.json", "{}"), "it has files that training did not write"),
    "no weights": (lambda path: (path / "model.safetensors").unlink(), "model.safetensors is missing"),
    "empty weights": (
        lambda path: (path / "model.safetensors").write_bytes(b""),
        "model.safetensors (0 bytes) is trunc",
    ),
    "truncated": (truncate, "model.safetensors (.* bytes) is truncated or damaged (.*)"),
    "truncated, without a note": (truncate_of_a_foreigner, "model.safetensors (.* bytes) is truncated or damaged (.*)"),
    "a missing weight": (edit(lambda w: w.pop("model.norm.weight")), "missing weights: model.norm.weight; "),
    "two missing weights": (
        edit(lambda w: [w.pop(name) for name in ("lm_head.weight", "model.norm.weight")]),
        "missing weights: lm_head.weight and 1 more; ",
    ),
    "an unexpected weight": (edit(lambda w: w.update(extra=torch.zeros(2))), "unexpected weights: extra; "),
    "a wrong shape": (
        edit(lambda w: w.update({"model.norm.weight": torch.zeros(3)})),
        "weights of another shape than config.json says: model.norm.weight; ",
    ),
    "other weights than noted": (
        lambda path: save_file(load_file(path / "model.safetensors"), path / "model.safetensors", {"more": "x" * 99}),
        "model.safetensors is damaged (it is not what training wrote)",
    ),
    "a damaged note": (rewrite("headreuse.json", "{"), "headreuse.json is damaged (its checksum is gone)"),
    "a note of any nonsense": (rewrite("headreuse.json", "[" * 100_000), "headreuse.json is damaged"),
    "a pickle": (pickle, "pytorch_model.bin is a pickle, .*; give the weights as model.safetensors"),
    "a lost shard": (lose_a_shard, "model-00002-of-.* (missing) is truncated or damaged"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_checkpoint_that_is_not_whole_is_skipped_with_a_line_that_says_why(damage, series):
    break_it, reason = DAMAGE[damage]
    break_it(series / "checkpoint-9")
    found = LocalOrigin(series).entries()
    assert [entry.step for entry in found] == [2, 9, 10]
    (skipped,) = [entry for entry in found if entry.problem]
    assert (skipped.place, skipped.fingerprint) == (str(series / "checkpoint-9"), "")
    assert re.match(re.escape(reason).replace(r"\.\*", ".*"), skipped.problem), skipped.problem
    assert "\n" not in skipped.problem
    with pytest.raises(CheckpointError, match=re.escape(f"{skipped.place}: {skipped.problem}")):
        verify(Path(skipped.place))


def test_loading_refuses_what_would_leave_random_weights(series):
    edit(lambda weights: weights.pop("model.norm.weight"))(series / "checkpoint-2")
    with pytest.raises(CheckpointError, match=r"missing weights: model\.norm\.weight"):
        load_model(series / "checkpoint-2")


def test_a_missing_folder_is_named_and_nothing_is_looked_for_elsewhere(tmp_path):
    for use in (verify, load_model, load_bridge):
        with pytest.raises(CheckpointError, match=r"nowhere: no such folder; give a checkpoint-<step> folder"):
            use(tmp_path / "nowhere")


def test_verifying_keeps_no_weight(trained, monkeypatch):
    loaded = []
    plain = AutoModelForCausalLM.from_pretrained

    def watched(*args, **kwargs):
        model, found = plain(*args, **kwargs)
        loaded.extend(model.parameters())
        return model, found

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", watched)
    verify(trained / "checkpoint-2")
    assert loaded
    assert all(parameter.is_meta for parameter in loaded)


def test_the_model_is_loaded_as_transformers_would_and_ready_to_evaluate(trained, capfd):
    path = trained / "checkpoint-10"
    for attention in ("sdpa", "eager"):
        model = load_model(path, attn_implementation=attention)
        plain = AutoModelForCausalLM.from_pretrained(path, attn_implementation=attention).eval()
        capfd.readouterr()
        assert torch.equal(logits(model), logits(plain))
        assert not model.training
        assert model.config._attn_implementation == attention
        assert model.dtype == torch.float32
    load_model(path)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("position", ["rope", "nope"])
def test_a_transformer_lens_bridge_computes_what_the_model_does(position, tmp_path):
    small(position).save_pretrained(tmp_path)
    build_tokenizer(Vocabulary.of([TASKS["reverse"](alphabet_size=2)])).save_pretrained(tmp_path)
    bridge = load_bridge(tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(bridge(TOKENS), logits(load_model(tmp_path)), rtol=0, atol=1e-5)
    assert not bridge.training


def test_a_bridge_without_a_tokenizer_is_refused(tmp_path):
    small().save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="wants a tokenizer beside the weights"):
        load_bridge(tmp_path)
