"""Training in which each task uses some heads alone: gradients, the look at accuracy, kills, and what is noted.

Covers what of `training/trainer.py`, `training/watching.py` and `store/notes.py` is for masks.
"""

import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from headreuse.evaluation import evaluate
from headreuse.models.anatomy import anatomy_of
from headreuse.models.checkpoints import UnmaskedWarning, load_model
from headreuse.models.masks import masked
from headreuse.prompts import Vocabulary
from headreuse.sources.series.listing import remarks, rows_at
from headreuse.store.notes import read_note
from headreuse.store.training_log import Logbook
from headreuse.study import Study, parse_study
from headreuse.study.settings_digest import training_digest
from headreuse.training.joint import train
from headreuse.training.trainer import JointTrainer
from headreuse.training.watching import watched_prompts

HEADS = {"copy": [0, 1], "reverse": [2, 3]}
RAW = {
    "name": "small",
    "alphabet_size": 3,
    "model": {"n_layers": 2, "n_heads": 4, "d_model": 32},
    "training": {"steps": 8, "batch_size": 16, "checkpoints": {"every": 4}, "log_every": 4},
    "groups": [
        {
            "name": "pair",
            "main": {"task": "copy", "max_length": 3},
            "auxiliary": [{"task": "reverse", "max_length": 4}],
            "heads": "disjoint",
        }
    ],
}


def study(**training) -> Study:
    return parse_study(RAW | {"training": RAW["training"] | training}, "small")


def trained(folder: Path, on_step=lambda step, loss: None, **training) -> Path:
    made = study(**training)
    train(made, made.groups[0], 0, folder, on_step=on_step)
    return folder


def weights(folder: Path) -> dict[str, bytes]:
    return {file.parent.name: file.read_bytes() for file in folder.glob("checkpoint-*/model.safetensors")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    return trained(tmp_path_factory.mktemp("undisturbed"))


@pytest.mark.parametrize("training", [{}, {"micro_batch": 8, "gradient_checkpointing": True}])
def test_no_gradient_reaches_the_heads_of_the_other_task(tmp_path, monkeypatch, training):
    """Of the output projection and of queries, keys and values."""
    seen = []
    plain = JointTrainer.training_step

    def watched(self, model, inputs, *args):
        task, projections = int(inputs["task"]), [block.out_proj for block in anatomy_of(model).blocks]
        loss = plain(self, model, inputs, *args)
        parts = [projection.weight.grad.T for projection in projections]
        parts += [
            getattr(layer.self_attn, f"{name}_proj").weight.grad for layer in model.model.layers for name in "qkv"
        ]
        by_head = torch.stack([part.unflatten(0, (4, 8)).flatten(1).abs().amax(dim=1) for part in parts])
        seen.append((task, by_head.amax(dim=0) == 0))
        return loss

    monkeypatch.setattr(JointTrainer, "training_step", watched)
    trained(tmp_path, **training)
    assert {task for task, _ in seen} == {0, 1}
    for task, is_zero in seen:
        assert is_zero.tolist() == [head not in list(HEADS.values())[task] for head in range(4)]


# Newer versions of Python warn of what is meant here.
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_sigkill_changes_nothing_in_the_end(undisturbed, tmp_path):
    def kill_at_six(step, _loss):
        if step == 6:
            os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=trained, args=(tmp_path, kill_at_six))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert list(weights(tmp_path)) == ["checkpoint-4"]
    assert weights(trained(tmp_path)) == weights(undisturbed)


def test_accuracy_is_looked_at_with_the_heads_of_each_task(undisturbed):
    made = study()
    model = load_model(undisturbed / "checkpoint-8", masks_are_known=True)
    vocabulary = Vocabulary.of([made.task(name) for name in HEADS])
    log = Logbook(undisturbed / "training_log.csv").read().query("step == 8").set_index(["task", "length"])
    for one in watched_prompts(made, made.groups[0], vocabulary):
        losses = []
        for heads in (None, HEADS[one.prompts.task]):
            with masked(model, heads):
                outcomes = evaluate(model, one.prompts).outcomes
            losses.append(-outcomes["log_prob"].sum() / one.prompts.scored.sum())
        kept = log.loc[(one.prompts.task, one.prompts.lengths[0]), "loss"]
        assert kept == pytest.approx(losses[1], rel=1e-4)
        assert kept != pytest.approx(losses[0], rel=1e-4)


def test_masks_are_noted_and_a_model_that_is_opened_without_them_is_warned_of(undisturbed):
    path = undisturbed / "checkpoint-8"
    assert read_note(path).heads == HEADS
    told = r"in training each task used some heads .* \(copy: 0 1; reverse: 2 3\)"
    with pytest.warns(UnmaskedWarning, match=told):
        load_model(path)
    lines = remarks(rows_at(str(undisturbed)))
    assert len(lines) == 1
    assert str(undisturbed) in lines[0]


def test_masks_are_part_of_what_training_depends_on():
    made = study()
    group = made.groups[0]
    others = [group.model_copy(update={"heads": heads}) for heads in ((), ((0, 1), (0, 1)))]
    assert len({training_digest(made, one) for one in (group, *others)}) == 3
    without = parse_study({"name": "s", "groups": [{"name": "g", "main": {"task": "copy", "max_length": 3}}]}, "s")
    assert training_digest(without, without.groups[0]) == "a24f7544a797abe6", "that of the time before there were masks"


def test_arms_start_from_the_same_weights(tmp_path):
    """After one step at a rate of almost 0."""
    raw = RAW["groups"][0] | {"heads": ["shared", "disjoint"]}
    made = parse_study(RAW | {"groups": [raw], "training": {"steps": 1, "batch_size": 2, "learning_rate": 1e-30}}, "s")
    kept = []
    for group in made.groups:
        train(made, group, 0, tmp_path / group.name, on_step=lambda step, loss: None)
        model = load_model(tmp_path / group.name / "checkpoint-1", masks_are_known=True)
        kept.append(torch.cat([weight.flatten() for weight in model.parameters()]).detach().numpy())
    np.testing.assert_allclose(*kept, rtol=1e-6)
