"""The log of a training: written line by line, gathered in a table, drawn as a line for each seed.

Covers `store/training_log.py`, `figures/training_log.py`.
"""

import numpy as np
import pandas as pd
import pytest
from invented import report_inputs, small_study

from headreuse import figures
from headreuse.errors import HeadreuseError
from headreuse.figures.views import choices_of, frames_of
from headreuse.report import render
from headreuse.report.page import study_page
from headreuse.store.folder import RunFolder
from headreuse.store.training_log import COLUMNS, Logbook, LogLine, regime_of
from headreuse.study import Group, TaskRange
from headreuse.tables.results import Results


def line(step: int, **changes) -> LogLine:
    usual = {"task": "copy", "role": "main", "length": 8, "regime": "in_distribution", "n": 64}
    return LogLine(**({"step": step, "accuracy": 0.5, "loss": 1.25} | usual | changes))


def invented_log() -> pd.DataFrame:
    """Two tasks of the demo's related group, two seeds; main learns its own length and then some of the next."""
    rows = []
    for seed in (0, 1):
        for step in (100, 200, 300):
            for task, role, lengths in (
                ("capitalize", "auxiliary", {"in_distribution": 16, "beyond": 18}),
                ("capitalize_reverse", "main", {"in_distribution": 8, "transfer": 12, "beyond": 18}),
            ):
                for place, (regime, length) in enumerate(lengths.items()):
                    accuracy = step / 300 / (1 + place) / (1 + seed)
                    rows.append(("capitalize_reverse", seed, step, task, role, length, regime, 64, accuracy, 1.0))
    return pd.DataFrame(rows, columns=["group", "seed", *COLUMNS])


@pytest.mark.parametrize(
    ("task", "length", "regime"),
    [
        *(("copy", 8, "in_distribution"), ("copy", 9, "transfer"), ("copy", 16, "transfer"), ("copy", 17, "beyond")),
        *(("reverse", 16, "in_distribution"), ("reverse", 17, "beyond")),
    ],
)
def test_a_regime_begins_after_the_task_s_own_and_after_the_group_s_longest_length(task, length, regime):
    main, auxiliary = TaskRange(task="copy", max_length=8), TaskRange(task="reverse", max_length=16)
    assert regime_of(Group(name="pair", main=main, auxiliary=(auxiliary,)), task, length) == regime


def test_lines_are_read_as_they_were_written_and_cut_after_a_step(tmp_path):
    book = Logbook(tmp_path / "log.csv")
    assert book.read().empty
    book.cut(3)
    assert not book.path.exists()
    for step in (1, 2, 3):
        book.add([line(step), line(step, task="reverse", accuracy=1 / 3)])
    assert book.read()["step"].tolist() == [1, 1, 2, 2, 3, 3]
    assert book.read()["accuracy"].tolist() == [0.5, 0.333333] * 3
    book.cut(2)
    assert book.read()["step"].tolist() == [1, 1, 2, 2]
    assert book.path.read_text().count("\n") == 5


def test_a_line_that_a_kill_left_half_written_is_not_read(tmp_path):
    book = Logbook(tmp_path / "log.csv")
    book.add([line(1)])
    with book.path.open("a") as file:
        file.write("2,copy,main,8,in_distribution,64,0.")
    assert book.read()["step"].tolist() == [1]


def test_a_log_that_cannot_be_written_raises_one_line(tmp_path):
    with pytest.raises(HeadreuseError, match=r"gone/log\.csv: could not be written: no such file or folder"):
        Logbook(tmp_path / "gone" / "log.csv").add([line(1)])


def test_the_table_has_every_run_in_order_and_its_key_follows_the_log(tmp_path):
    study = small_study(seeds=(1, 0))
    folder = RunFolder.create(tmp_path, study, "test")
    empty = Results(folder)
    assert empty.training_log().empty
    assert list(empty.training_log().columns) == ["group", "seed", *COLUMNS]
    keys = {empty.key}
    for seed in (0, 1):
        book = Logbook(folder.training_log_file("copy_control", seed))
        book.path.parent.mkdir(parents=True)
        book.add([line(10 + seed)])
    keys.add(Results(folder).key)
    assert Results(folder).training_log()[["group", "seed", "step"]].values.tolist() == [
        ["copy_control", 1, 11],
        ["copy_control", 0, 10],
    ]
    book.add([line(20)])
    assert len({*keys, Results(folder).key}) == 3


def test_each_regime_has_a_panel_with_a_line_for_each_seed_and_a_view_for_each_task():
    log = invented_log()
    figure = figures.training_log(log)
    assert [entry.values for entry in choices_of(figure)] == [("capitalize_reverse", "capitalize")]
    assert len(figure.data) == 3 * 2
    titles = [annotation.text for annotation in figure.layout.annotations]
    assert titles == [
        "longest training length of the task",
        "longer, in the transfer range",
        "beyond the transfer range",
    ]
    for index, regime in enumerate(("in_distribution", "transfer", "beyond")):
        for seed in (0, 1):
            drawn = figure.data[2 * index + seed]
            rows = log[(log["task"] == "capitalize_reverse") & (log["regime"] == regime) & (log["seed"] == seed)]
            assert list(drawn.x) == [100, 200, 300]
            assert np.allclose(drawn.y, rows["accuracy"], atol=1e-3)
            assert set(drawn.customdata) == set(rows["length"])
    auxiliary = frames_of(figure)[1].data
    assert list(auxiliary[2].x or ()) == [], "an auxiliary of the longest length has no transfer range"


@pytest.mark.slow
def test_the_report_draws_the_log_and_leaves_out_groups_without_one():
    inputs = report_inputs(n_checkpoints=3, training_log=invented_log())
    section = next(section for section in study_page(inputs).sections if section.id == "log")
    exhibits = list(section.build(inputs))
    assert [exhibit.title for exhibit in exhibits] == ["capitalize_reverse · related"]
    assert "Every 100 steps on 64 examples" in exhibits[0].look
    assert len(exhibits[0].tables[0]) == len(invented_log())
    assert 'id="log-0"' in render(inputs)
