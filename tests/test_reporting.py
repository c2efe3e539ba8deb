"""Training curves go to TensorBoard or Weights & Biases where a study says so, and change no weight.

Covers `training/reporting.py`.
"""

import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from transformers import TrainerCallback

from headreuse.errors import HeadreuseError
from headreuse.store.training_log import Logbook
from headreuse.study import CheckpointSchedule, Group, ModelSpec, Study, TaskRange, TrainingSpec, parse_study
from headreuse.training import joint, reporting
from headreuse.training.joint import train
from headreuse.training.trainer import training_arguments


def small_study(*report_to: str, micro_batch: int | None = None) -> Study:
    spec = TrainingSpec(
        steps=6,
        batch_size=8,
        micro_batch=micro_batch,
        log_every=3,
        checkpoints=CheckpointSchedule(every=3),
        report_to=report_to,
    )
    auxiliary = (TaskRange(task="reverse", max_length=4),)
    group = Group(name="pair", main=TaskRange(task="copy", max_length=3), auxiliary=auxiliary, training=spec)
    return Study(name="small", alphabet_size=3, groups=(group,), model=ModelSpec(n_layers=1, n_heads=2, d_model=16))


def trained(folder: Path, study: Study) -> list[float]:
    """The loss of every step."""
    losses: list[float] = []
    train(study, study.groups[0], 0, folder, on_step=lambda step, loss: losses.append(loss))
    return losses


def weights(folder: Path) -> bytes:
    return (folder / "checkpoint-6" / "model.safetensors").read_bytes()


class Recorder(TrainerCallback):
    """What the Trainer logs, by name and step."""

    def __init__(self) -> None:
        self.logged: dict[str, dict[int, float]] = {}

    def on_log(self, args, state, control, logs=None, **_) -> None:
        for name, value in logs.items():
            self.logged.setdefault(name, {})[state.global_step] = value


def accuracies(folder: Path) -> dict[str, dict[int, float]]:
    """Of the training log, by the names under which they are reported."""
    found: dict[str, dict[int, float]] = {}
    for line in Logbook(folder / "training_log.csv").read().itertuples():
        found.setdefault(f"{line.task}/accuracy_at_length_{line.length}", {})[line.step] = line.accuracy
    return found


@pytest.mark.parametrize("micro_batch", [None, pytest.param(4, marks=pytest.mark.slow)])
def test_the_trainer_logs_loss_and_accuracy_every_so_many_steps(tmp_path, monkeypatch, micro_batch):
    recorder = Recorder()

    @contextmanager
    def recorded(trainer, spec, folder, name):
        assert (folder, name) == (tmp_path / "curves", "small/pair/seed-0")
        trainer.add_callback(recorder)
        yield

    monkeypatch.setattr(joint, "reported", recorded)
    losses = trained(tmp_path, small_study("wandb", micro_batch=micro_batch))
    for step in (3, 6):
        assert recorder.logged["loss"][step] == pytest.approx(sum(losses[step - 3 : step]) / 3, abs=1e-3)
    assert set(recorder.logged["learning_rate"]) == {3, 6}
    told = {name.removeprefix("eval_"): steps for name, steps in recorder.logged.items() if name.startswith("eval_")}
    assert told == accuracies(tmp_path)


def test_where_nothing_is_said_nothing_is_logged():
    for names, strategy in (((), "no"), (("tensorboard",), "steps")):
        spec = small_study(*names).groups[0].training
        arguments = training_arguments(spec, seed=0, drafts="drafts")
        assert (arguments.logging_strategy, arguments.logging_steps, arguments.report_to) == (strategy, 3, [])


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_package_that_is_missing_is_told_before_anything_is_trained(tmp_path, monkeypatch, name):
    monkeypatch.setattr(reporting, "find_spec", lambda module: None)
    told = rf"^training.report_to: {name} is not installed; pip install {name}, or leave it out of report_to$"
    with pytest.raises(HeadreuseError, match=told):
        trained(tmp_path, small_study(name))
    assert not list(tmp_path.glob("checkpoint-*"))


def test_what_cannot_be_reported_to_is_told_with_what_can():
    raw = {"name": "s", "groups": [{"name": "a", "main": {"task": "copy", "max_length": 2}}]}
    with pytest.raises(HeadreuseError, match=r"report_to\[0\]: .*choose from: tensorboard, wandb"):
        parse_study(raw | {"training": {"report_to": ["tensorbord"]}}, "s")
    assert parse_study(raw | {"training": {"report_to": ["wandb"]}}, "s").groups[0].training.report_to == ("wandb",)


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("tensorboard"), reason="needs tensorboard")
def test_tensorboard_gets_every_value_and_the_weights_stay_the_same(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    losses = trained(tmp_path / "told", small_study("tensorboard"))
    assert losses == trained(tmp_path / "plain", small_study())
    assert weights(tmp_path / "told") == weights(tmp_path / "plain")
    assert not (tmp_path / "plain" / "curves").exists()
    read = EventAccumulator(str(tmp_path / "told" / "curves")).Reload()
    scalars = {tag: {event.step: event.value for event in read.Scalars(tag)} for tag in read.Tags()["scalars"]}
    assert scalars["train/loss"][6] == pytest.approx(sum(losses[3:]) / 3, abs=1e-3)
    for name, steps in accuracies(tmp_path / "told").items():
        assert scalars[f"eval/{name}"] == pytest.approx(steps)


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("wandb"), reason="needs wandb")
@pytest.mark.filterwarnings("ignore")
def test_wandb_gets_a_run_for_each_model_of_one_process(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for number in range(2):
        trained(tmp_path / str(number), small_study("wandb"))
        (kept,) = (tmp_path / str(number) / "curves").glob("wandb/offline-run-*/*.wandb")
        # W&B's own process writes the file, and may still be at it.
        until = time.monotonic() + 60
        while b"small/pair/seed-0" not in (told := kept.read_bytes()) and time.monotonic() < until:
            time.sleep(0.2)
        assert b"small/pair/seed-0" in told
        assert all(f"eval/{name}".encode() in told for name in accuracies(tmp_path / str(number)))


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("wandb"), reason="needs wandb")
@pytest.mark.filterwarnings("ignore")
def test_wandb_without_a_sign_in_is_told_in_one_line(tmp_path):
    env = {name: value for name, value in os.environ.items() if not name.startswith("WANDB")}
    env |= {"HOME": str(tmp_path), "NETRC": str(tmp_path / "netrc"), "PYTHONPATH": os.pathsep.join(sys.path)}
    code = "from test_reporting import *; trained(Path('run'), small_study('wandb'))"
    # W&B keeps how it was first set up for as long as a process lives.
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=env)
    told = (
        r"HeadreuseError: training.report_to: wandb: .*; sign in with `wandb login`, set WANDB_MODE=offline, or leave"
    )
    assert re.search(told, ended.stderr)
