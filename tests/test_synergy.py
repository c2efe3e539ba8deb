"""Synergy of two heads on its way from the measurement to the page.

Covers `measurements/synergy.py`, `tables/synergy.py`, `figures/synergy.py` and `report/synergy.py`.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from invented import report_inputs, small_study

from headreuse import figures
from headreuse.measurements.synergy import SynergyOf
from headreuse.records import Checkpoint, Head, Synergy
from headreuse.report.heads import ablation
from headreuse.report.sections import sections_of
from headreuse.report.synergy import synergy as exhibits
from headreuse.store.units import Unit
from headreuse.tables.synergy import synergy_rows

HEADS = (Head(0, 0), Head(0, 1), Head(1, 0))
VALUES = np.array([[np.nan, 1.0, -2.0], [1.0, np.nan, 0.5], [-2.0, 0.5, np.nan]])
ERRORS = np.where(np.isnan(VALUES), np.nan, 0.1)


@pytest.fixture
def found() -> Synergy:
    return Synergy(
        "copy",
        4,
        HEADS,
        {"exact_match": VALUES, "log_prob": 3 * VALUES},
        dict.fromkeys(["exact_match", "log_prob"], ERRORS),
    )


def test_synergy_survives_its_file(found):
    unit = Unit("synergy", "1", Checkpoint(Path("checkpoint-5"), 5, "f" * 64), "copy", {"length": 4})
    back = SynergyOf().from_frame(SynergyOf().to_frame(found), unit)
    assert (back.task, back.length, back.heads) == ("copy", 4, HEADS)
    for name, values in found.values.items():
        np.testing.assert_allclose(back.values[name], values, rtol=1e-6)
        np.testing.assert_allclose(back.errors[name], ERRORS, rtol=1e-6)


def test_each_pair_is_one_row_with_its_interval(found):
    rows = synergy_rows(found)
    of_match = rows[rows["outcome"] == "exact_match"]
    assert of_match[["layer_a", "head_a", "layer_b", "head_b"]].to_numpy().tolist() == [
        [0, 0, 0, 1], [0, 0, 1, 0], [0, 1, 1, 0],
    ]  # fmt: skip
    assert of_match["synergy"].tolist() == [1.0, -2.0, 0.5]
    assert of_match["ci_high"].iloc[0] == pytest.approx(1.196, abs=1e-3)


def test_it_is_measured_at_the_last_checkpoint_where_heads_are_valued_over_subsets():
    for methods, is_last, n_tasks in ((["banzhaf"], True, 3), (["banzhaf"], False, 0), (["mean_ablation"], True, 0)):
        study = small_study()
        study = study.model_copy(update={"measures": study.measures.model_copy(update={"methods": tuple(methods)})})
        group = next(group for group in study.groups if len(group.tasks) == 3)
        assert len(list(SynergyOf().wanted(study, group, is_last=is_last))) == n_tasks


def test_the_figure_has_every_pair_on_both_sides_of_the_diagonal(found):
    rows = synergy_rows(found).assign(seed=0, step=5)
    figure = figures.synergy_maps(rows, tasks=["copy", "reverse"], outcome="log_prob")
    np.testing.assert_allclose(np.array(figure.data[0].z, dtype=float), 3 * VALUES)
    assert list(figure.data[0].x) == ["0.0", "0.1", "1.0"]
    assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == (-6.0, 6.0)
    assert "not measured" in figure.layout.annotations[1].text


def test_the_report_has_it_where_it_was_measured(found):
    study = small_study()
    assert "synergy" not in [section.id for section in sections_of(study)]
    measures = study.measures.model_copy(update={"methods": ("mean_ablation", "banzhaf")})
    study = study.model_copy(update={"measures": measures})
    assert "synergy" in [section.id for section in sections_of(study)]
    group = study.groups[0]
    rows = synergy_rows(found).assign(group=group.name, seed=0, step=5, task=group.main.task)
    inputs = report_inputs(study, n_checkpoints=1, synergy=rows)
    (shown,) = exhibits(inputs)
    assert shown.figure is not None
    assert list(exhibits(replace(inputs, synergy=pd.DataFrame()))) == []
    told = "By banzhaf an effect is the mean over ablations of the other heads"
    assert told in next(ablation(inputs)).look
    assert told not in next(ablation(replace(inputs, study=small_study()))).look
