"""A series opened in Python gives its checkpoints one by one, ready to be scored."""

import shutil

import numpy as np
import pytest
import torch
from decoders import answered_prompts, bridge_of, random_model
from hub_server import HubServer

import headreuse
from headreuse.errors import HeadreuseError
from headreuse.scores import mean_ablation


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Two checkpoints with tokenizers, and one that is not whole."""
    folder = tmp_path_factory.mktemp("out")
    for step in (10, 20):
        bridge_of(random_model("gpt2", seed=step), folder / f"checkpoint-{step}")
    shutil.copytree(folder / "checkpoint-10", folder / "checkpoint-30")
    (folder / "checkpoint-30" / "model.safetensors").write_bytes(b"")
    return folder


def test_the_checkpoints_of_a_series_are_scored_one_by_one(out):
    series = headreuse.open_series(out)
    assert [(checkpoint.step, checkpoint.run) for checkpoint in series] == [(10, ""), (20, "")]
    for checkpoint in series:
        model = random_model("gpt2", seed=checkpoint.step)
        prompts = answered_prompts(model, np.random.default_rng(0), n_prompts=4)
        expected = mean_ablation(model, prompts).effect("log_prob")
        np.testing.assert_allclose(mean_ablation(checkpoint.model(), prompts).effect("log_prob"), expected, atol=1e-6)
        assert checkpoint.tokenizer("t7")["input_ids"] == [7]


def test_weights_are_loaded_in_bfloat16_on_request_alone(out):
    last = headreuse.open_series(out, revisions={"at": [20]})[-1]
    exact, rough = last.model(), last.model(dtype="bfloat16")
    assert (exact.dtype, rough.dtype) == (torch.float32, torch.bfloat16)
    torch.testing.assert_close(rough.lm_head.weight.float(), exact.lm_head.weight, rtol=1e-2, atol=1e-2)
    with pytest.raises(HeadreuseError, match="no such dtype 'float8'; give float32 or bfloat16"):
        last.model(dtype="float8")


def test_a_series_shows_its_steps_and_what_it_leaves_out(out):
    series = headreuse.open_series(out)
    first, steps, left_out = repr(series).splitlines()
    assert (first, steps) == ("2 checkpoints", "  steps 10, 20")
    assert left_out.startswith(f"  left out: {out}/checkpoint-30: model.safetensors (0 bytes) is truncated")
    assert [entry.step for entry in series.skipped] == [30]
    assert str(series[0]) == f"{out}/checkpoint-10 (step 10)"


def test_weights_that_change_after_opening_are_not_loaded(out, tmp_path):
    shutil.copytree(out / "checkpoint-10", tmp_path / "checkpoint-10")
    (checkpoint,) = headreuse.open_series(tmp_path)
    shutil.copy(out / "checkpoint-20" / "model.safetensors", tmp_path / "checkpoint-10")
    with pytest.raises(HeadreuseError, match="another model than when it was found"):
        checkpoint.model()


def test_folders_and_repositories_are_opened_together_as_runs(out, hub_server: HubServer):
    files = {file.name: file.read_bytes() for file in (out / "checkpoint-10").iterdir()}
    hub_server.add("lab/tiny", "step4", files)
    series = headreuse.open_series([out, "lab/tiny"], revisions={"first": 1, "last": 10})
    assert [(checkpoint.run, checkpoint.step) for checkpoint in series] == [(str(out), 10), ("lab/tiny", 4)]
    here, there = (checkpoint.model().state_dict() for checkpoint in series)
    assert all(torch.equal(here[name], there[name]) for name in here)


def test_a_choice_that_cannot_be_is_told_in_one_line(out):
    with pytest.raises(HeadreuseError, match=r"^revisions\.\S*log_spaced.*2"):
        headreuse.open_series(out, revisions={"log_spaced": 1})
    with pytest.raises(HeadreuseError, match=r"revisions\.at: no step 11; there are steps 10, 20, 30"):
        headreuse.open_series(out, revisions={"at": [11]})


def test_the_package_has_no_other_lazy_names():
    with pytest.raises(AttributeError, match="no attribute 'open_serie'"):
        _ = headreuse.open_serie
