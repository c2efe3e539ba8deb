"""Tasks whose prompts do not line up are measured too: replacements pooled over positions, no mean pattern."""

import numpy as np
import pytest

from headreuse.measurements.base import MEASUREMENTS, units_of
from headreuse.measurements.loaded import Loaded
from headreuse.records import OUTCOMES
from headreuse.scores import mean_ablation
from headreuse.sources import Trained
from headreuse.store.folder import RunFolder
from headreuse.store.notes import noted_checkpoint
from headreuse.study import parse_study
from headreuse.training.joint import train

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
    checkpoint = noted_checkpoint(series / "checkpoint-2")
    loaded = Loaded(folder.units, study, Trained(folder.root), checkpoint)
    results = {}
    for unit in units_of(study, study.groups[0], checkpoint, is_last=True):
        result = MEASUREMENTS[unit.kind].measure(loaded, unit)
        results[unit.kind, unit.task] = (unit, result)
        folder.units.write(unit, MEASUREMENTS[unit.kind].to_frame(result))
    return loaded, results


@pytest.mark.parametrize("task", ["shortest_path", "dfs_trace"])
def test_head_scores_are_those_of_means_pooled_over_positions(measured, task):
    loaded, results = measured
    unit, found = results["head_scores", task]
    pooled = mean_ablation(loaded.model, loaded.prompts(unit, 5), position="pooled")
    for outcome in OUTCOMES:
        np.testing.assert_allclose(found.effects[outcome], pooled.effects[outcome], atol=1e-6)


@pytest.mark.parametrize("task", ["shortest_path", "dfs_trace"])
def test_there_is_no_mean_pattern_and_it_is_read_back_as_none(measured, task):
    assert measured[1]["pattern", task][1] is None


def test_top_heads_are_ablated_together_too(measured):
    _, losses = measured[1]["set_ablation", "shortest_path"]
    assert set(losses) == {"shortest_path", "dfs_trace"}
    # The top head, and the only other head.
    assert all(loss.shape == (2, 8) for by_outcome in losses.values() for loss in by_outcome.values())
