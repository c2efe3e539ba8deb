"""Tasks whose prompts do not line up are measured too: replacements pooled over positions, no mean pattern."""

import numpy as np
import pytest

from headreuse.measurements.frames import frame_to_head_scores, frame_to_pattern
from headreuse.measurements.measuring import Measuring
from headreuse.records import OUTCOMES
from headreuse.scores import mean_ablation
from headreuse.store.folder import RunFolder, own_checkpoint
from headreuse.study.config import parse_study
from headreuse.training.joint import train
from headreuse.work.states import units_of

STUDY = {
    "name": "unaligned",
    "grid_size": 3,
    "model": {"n_layers": 1, "n_heads": 2, "d_model": 16},
    "training": {"steps": 2, "batch_size": 4, "checkpoints": {"every": 2}},
    "measures": {"n_examples": 4, "n_score_examples": 8, "functional_sets": 2, "top_k": 1},
    "groups": [
        {
            "name": "mazes",
            "main": {"task": "shortest_path", "max_length": 5},
            "auxiliary": [{"task": "dfs_trace", "max_length": 6}],
        }
    ],
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    study = parse_study(STUDY, "study.toml")
    folder = RunFolder.create(tmp_path_factory.mktemp("run"), study, "run")
    series = folder.series_folder("mazes", 0)
    train(study, study.groups[0], 0, series, on_step=lambda _step, _loss: None)
    checkpoint = own_checkpoint(series / "checkpoint-2")
    measuring = Measuring(folder, checkpoint, micro_batch=8)
    frames = {}
    for unit in units_of(study, study.groups[0], checkpoint):
        frames[unit.kind, unit.task] = (unit, measuring.measure(unit))
        folder.write_unit(unit, frames[unit.kind, unit.task][1])
    return measuring, frames


@pytest.mark.parametrize("task", ["shortest_path", "dfs_trace"])
def test_head_scores_are_those_of_means_pooled_over_positions(measured, task):
    measuring, frames = measured
    unit, frame = frames["head_scores", task]
    pooled = mean_ablation(measuring.model, measuring.prompts(unit, 5), position="pooled")
    found = frame_to_head_scores(frame, task=task, length=5, method="mean_ablation")
    for outcome in OUTCOMES:
        np.testing.assert_allclose(found.effects[outcome], pooled.effects[outcome], atol=1e-6)


@pytest.mark.parametrize("task", ["shortest_path", "dfs_trace"])
def test_there_is_no_mean_pattern_and_it_is_read_back_as_none(measured, task):
    _, frames = measured
    assert frame_to_pattern(frames["pattern", task][1], task=task, length=5) is None


def test_top_heads_are_ablated_together_too(measured):
    _, frames = measured
    assert len(frames["set_ablation", "shortest_path"][1])
