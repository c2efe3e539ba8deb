"""Series on a disk: which folders are one, in which order, and what is wrong with what cannot be used.

Covers `sources/series/folders.py` and `sources/series/base.py`; `test_checkpoints.py` has the damages of a checkpoint
that was trained here.
"""

import io
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from headreuse.errors import HeadreuseError
from headreuse.sources.series.folders import is_path
from headreuse.sources.series.local import LocalOrigin

D_VOCAB = 9


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A grouped-query Llama with its tokenizer, as `save_pretrained` leaves it."""
    folder = tmp_path_factory.mktemp("models") / "llama"
    torch.manual_seed(0)
    shape = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "vocab_size": D_VOCAB}
    shape |= {"num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 16}
    LlamaForCausalLM(LlamaConfig(**shape, pad_token_id=0, bos_token_id=1, eos_token_id=2)).save_pretrained(folder)
    tokenizer(D_VOCAB).save_pretrained(folder)
    return folder


def tokenizer(n_words: int) -> PreTrainedTokenizerFast:
    words = Tokenizer(WordLevel({f"t{i}": i for i in range(n_words)}, unk_token="t0"))
    return PreTrainedTokenizerFast(tokenizer_object=words, bos_token="t1", eos_token="t2")


def copied(model: Path, *folders: Path) -> None:
    for folder in folders:
        shutil.copytree(model, folder)


def listed(where, **settings) -> list[tuple[str, str, int]]:
    entries = LocalOrigin(where, **settings).entries()
    assert not any(entry.problem for entry in entries)
    return [(entry.run, entry.name, entry.step) for entry in entries]


def test_the_folder_of_a_trainer_is_a_series_and_what_lies_beside_the_weights_is_not_read(model, tmp_path):
    out = tmp_path / "out"
    copied(model, out, out / "checkpoint-500", out / "checkpoint-1000")
    (out / "runs").mkdir()
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin"):
        (out / "checkpoint-500" / name).write_bytes(running_code(tmp_path / "ran"))
    assert listed(out) == [("", "checkpoint-500", 500), ("", "checkpoint-1000", 1000)]
    with LocalOrigin(out).ready(LocalOrigin(out).entries()[0]) as folder:
        assert folder == out / "checkpoint-500"
    assert not (tmp_path / "ran").exists()


def test_folders_with_any_form_of_step_are_a_series_and_tell_their_tokens(model, tmp_path):
    copied(model, tmp_path / "step1000-tokens4B", tmp_path / "step500-tokens2B")
    entries = LocalOrigin(tmp_path).entries()
    assert [(entry.step, entry.tokens) for entry in entries] == [(500, 2 * 10**9), (1000, 4 * 10**9)]
    assert entries[0].fingerprint == entries[1].fingerprint, "the same model"


def test_a_single_model_is_a_series_of_one_at_the_step_that_its_trainer_noted(model, tmp_path):
    copied(model, tmp_path / "final")
    assert listed(tmp_path / "final") == [("", "final", 0)]
    (tmp_path / "final" / "trainer_state.json").write_text('{"global_step": 1500, "num_input_tokens_seen": 6000}')
    assert listed(str(tmp_path / "final")) == [("", "final", 1500)]
    assert LocalOrigin(tmp_path / "final").entries()[0].tokens == 6000


def test_a_parent_of_runs_has_them_as_runs_and_a_pattern_chooses_some(model, tmp_path):
    copied(model, *(tmp_path / run / "checkpoint-5" for run in ("run-seed10", "run-seed2", "other")))
    (tmp_path / "logs").mkdir()
    seeds = [("run-seed2", "checkpoint-5", 5), ("run-seed10", "checkpoint-5", 5)]
    assert listed(tmp_path) == [("other", "checkpoint-5", 5), *seeds]
    assert listed(tmp_path / "run-seed{seed}") == seeds
    assert listed(f"{tmp_path}/run-seed{{seed}}/checkpoint-5") == seeds


def test_a_list_of_places_is_one_run_for_each_series(model, tmp_path):
    places = [tmp_path / "a" / "out", tmp_path / "b" / "out"]
    copied(model, *(place / "step-7" for place in places), tmp_path / "plain", places[0] / "step-8")
    a, b = ("a-out", "step-7", 7), ("b-out", "step-7", 7)
    assert listed(places) == [a, ("a-out", "step-8", 8), b]
    assert listed([places[0] / "step-7", places[1] / "step-7"]) == [a, b]
    assert listed([places[0] / "step-8", places[0] / "step-7"]) == [("", "step-7", 7), ("", "step-8", 8)]
    assert listed([tmp_path / "plain", places[0]])[0] == ("plain", "plain", 0)


def test_a_place_without_checkpoints_is_answered_with_those_that_have_some(model, tmp_path):
    series = tmp_path / "deep" / "er" / "out"
    copied(model, series / "checkpoint-1")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for place, line in (
        ("nowhere", "no such folder; give a folder of checkpoints"),
        ("file", "a file; give a folder of checkpoints"),
        ("empty", "no model in it, and no folder with a step in its name"),
        ("deep", f"holds no checkpoints itself; give a series in it: {series}"),
        ("out{seed}", "no folder of this pattern is there"),
        ("a{seed}/b{seed}", "stands there twice"),
    ):
        with pytest.raises(HeadreuseError, match=f"^{re.escape(str(tmp_path / place))}: .*{re.escape(line)}"):
            LocalOrigin(tmp_path / place).entries()


def running_code(file: Path) -> bytes:
    """A pickle that writes a file when it is read."""

    class Runs:
        def __reduce__(self):
            return Path.touch, (file,)

    torch.save({"lm_head.weight": Runs()}, pickled := io.BytesIO())
    return pickled.getvalue()


def without(folder: Path, name: str) -> None:
    (folder / name).unlink()


def changed(folder: Path, **settings: object) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | settings))


def another_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({name: weights[name] for name in list(weights)[1:]}, folder / "model.safetensors", {"format": "pt"})


def half_written(folder: Path) -> None:
    """A Trainer that was killed: the optimizer is there, the weights are not, or not whole."""
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "optimizer.pt").write_bytes(b"state")


def lost_index(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")


def truncated(folder: Path) -> None:
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])


def as_pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(running_code(folder.parent / "ran"))


def remote_code(folder: Path) -> None:
    (folder / "mine.py").write_text(f"open({str(folder.parent / 'ran')!r}, 'w')\n")
    auto_map = {"AutoConfig": "mine.Config", "AutoModelForCausalLM": "mine.Model"}
    changed(folder, model_type="mine", auto_map=auto_map)


SILENT = {
    "a missing tensor": (another_weight, "missing weights: lm_head.weight; save"),
    "no tokenizer": (
        lambda folder: without(folder, "tokenizer.json"),
        "no tokenizer.json; save the model's fast tokenizer",
    ),
    "a slow tokenizer": (
        lambda folder: (folder / "tokenizer.json").rename(folder / "tokenizer.model"),
        "only tokenizer.model of a slow tokenizer, and no tokenizer.json",
    ),
    "a tokenizer of another model": (
        lambda folder: tokenizer(D_VOCAB + 1).save_pretrained(folder),
        "the tokenizer has 10 tokens and the embedding 9 rows, so it is another model's",
    ),
    "infinite rope_theta": (
        lambda folder: changed(folder, rope_parameters={"rope_type": "default", "rope_theta": float("inf")}),
        "rope_parameters.rope_theta is inf in config.json, which still rotates; give",
    ),
    "a truncated shard": (truncated, "model.safetensors (.* bytes) is truncated or damaged"),
    "a lost index": (lost_index, "model.safetensors.index.json is missing beside model-00001-of-00002.safetensors"),
    "a half-written folder": (half_written, "config.json is missing; save the model again"),
    "an adapter alone": (
        lambda folder: (folder / "config.json").rename(folder / "adapter_config.json"),
        "an adapter without its model; merge it",
    ),
    "a pickle": (as_pickle, "pytorch_model.bin is a pickle, which may run code when read"),
    "remote code": (remote_code, "its config.json asks for code of its own (auto_map, model_type 'mine')"),
}


@pytest.mark.parametrize("damage", SILENT)
def test_what_would_fail_silently_is_left_out_with_a_line_and_the_others_stay(damage, model, tmp_path):
    copied(model, tmp_path / "checkpoint-1", tmp_path / "checkpoint-2")
    break_it, line = SILENT[damage]
    break_it(tmp_path / "checkpoint-2")
    whole, broken = LocalOrigin(tmp_path).entries()
    assert (whole.problem, broken.fingerprint) == ("", "")
    assert re.match(re.escape(line).replace(r"\.\*", ".*"), broken.problem), broken.problem
    assert "\n" not in broken.problem
    assert not (tmp_path / "ran").exists()
    with pytest.raises(HeadreuseError, match="checkpoint-2"), LocalOrigin(tmp_path).ready(broken):
        pass


def test_a_series_for_token_ids_alone_needs_no_tokenizer(model, tmp_path):
    copied(model, tmp_path / "checkpoint-1")
    without(tmp_path / "checkpoint-1", "tokenizer.json")
    assert listed(tmp_path, with_text=False) == [("", "checkpoint-1", 1)]


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_byte_that_is_flipped_after_the_listing_is_noticed(file, model, tmp_path):
    copied(model, tmp_path / "checkpoint-1")
    origin = LocalOrigin(tmp_path)
    (entry,) = origin.entries()
    content = bytearray((tmp_path / "checkpoint-1" / file).read_bytes())
    place = content.index(b"2") if file.endswith("json") else len(content) - 1
    content[place] ^= 1
    (tmp_path / "checkpoint-1" / file).write_bytes(content)
    with pytest.raises(HeadreuseError, match="another model than when it was found"), origin.ready(entry):
        pass


def test_a_folder_that_is_gone_after_the_listing_is_named(model, tmp_path):
    copied(model, tmp_path / "checkpoint-1")
    origin = LocalOrigin(tmp_path)
    (entry,) = origin.entries()
    shutil.rmtree(tmp_path / "checkpoint-1")
    with pytest.raises(HeadreuseError, match="checkpoint-1: no such folder"), origin.ready(entry):
        pass


def test_pickles_are_read_where_they_are_allowed_and_run_no_code(model, tmp_path):
    copied(model, tmp_path / "checkpoint-1", tmp_path / "checkpoint-2")
    weights = load_file(tmp_path / "checkpoint-1" / "model.safetensors")
    without(tmp_path / "checkpoint-1", "model.safetensors")
    torch.save(weights, tmp_path / "checkpoint-1" / "pytorch_model.bin")
    as_pickle(tmp_path / "checkpoint-2")
    good, bad = LocalOrigin(tmp_path, allow_pickles=True).entries()
    assert (good.problem, len(good.fingerprint)) == ("", 64)
    assert "holds more than tensors" in bad.problem
    assert not (tmp_path / "ran").exists()


def test_tied_embeddings_and_constants_of_old_versions_are_no_alarm(tmp_path):
    shape = {"n_layer": 1, "n_head": 2, "n_embd": 8, "vocab_size": D_VOCAB, "n_positions": 8}
    GPT2LMHeadModel(GPT2Config(**shape, bos_token_id=1, eos_token_id=2)).save_pretrained(tmp_path / "step1")
    copied(tmp_path / "step1", tmp_path / "step2")
    weights = load_file(tmp_path / "step1" / "model.safetensors")
    assert "lm_head.weight" not in weights
    weights["lm_head.weight"] = weights["transformer.wte.weight"].clone()
    weights["transformer.h.0.attn.bias"] = torch.ones(1, 1, 8, 8)
    weights["transformer.h.0.attn.masked_bias"] = torch.tensor(-1e4)
    save_file(weights, tmp_path / "step2" / "model.safetensors", {"format": "pt"})
    assert [entry.problem for entry in LocalOrigin(tmp_path, with_text=False).entries()] == ["", ""]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a/b/c", True),
        ("./a", True),
        ("out/", True),
        ("there", True),
        ("there/not", True),
        ("lab/tiny", False),
        ("x", False),
    ],
)
def test_a_text_is_a_path_where_its_first_folder_is_there(tmp_path, text, expected):
    (tmp_path / "there").mkdir()
    assert is_path(text, tmp_path) == expected
