"""`headreuse plan`: what a question needs, in numbers and words, and the time that a few steps foretell.

Covers `report/planning.py`, `report/plan_in_words.py` and `work/timing.py`.
"""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from checkpoint_series import series, tables
from command_line import headreuse

from headreuse.errors import HeadreuseError
from headreuse.report import planning
from headreuse.report.plan_in_words import lines
from headreuse.report.planning import Plan, Row, Wanted, plan, plan_of, usable_in
from headreuse.store.folder import RunFolder
from headreuse.study import Study, parse_study
from headreuse.work.timing import Pace, pace_of, seconds_of

GROUP = {"name": "g", "main": {"task": "copy", "max_length": 2}, "auxiliary": [{"task": "reverse", "max_length": 3}]}
SMALL = {
    "name": "small",
    "alphabet_size": 3,
    "model": {"n_layers": 1, "n_heads": 2, "d_model": 8},
    "training": {"steps": 100, "batch_size": 4, "checkpoints": {"every": 10}},
    "measures": {"n_examples": 8, "n_score_examples": 8, "beyond": 0, "functional_sets": 0},
}


def study(*groups: dict, **changed: object) -> Study:
    return parse_study(SMALL | {"groups": list(groups) or [GROUP]} | changed, "study.toml")


def planned(of: Study, pace: Pace | None = None, **settings: object) -> Plan:
    wanted = Wanted(settings.pop("effect", 0.9), settings.pop("target", 0.8))
    settings = {"n_usable": None, "n_workers": 2, "tell": lambda _words: None} | settings
    return plan(of, wanted, pace=pace, **settings)


@pytest.fixture
def quick(monkeypatch):
    """Three numbers of seeds and few simulations."""
    monkeypatch.setattr(planning, "N_SEEDS", (3, 6, 8))
    monkeypatch.setattr(planning, "N_SIMULATIONS", 20)
    monkeypatch.setattr(planning, "FEWEST_SIMULATIONS", 20)


def test_a_plan_has_the_power_and_the_time_of_each_size(quick):
    pace = Pace("g", seconds_a_step=0.1, seconds_a_checkpoint=2.0)
    made = planned(study(seeds=[0, 1]), pace)
    sizes = [(row.n_seeds, row.n_usable, row.n_checkpoints) for row in made.rows]
    assert sizes == [(n, usable, n_all) for n in (3, 6, 8) for usable, n_all in ((6, 10), (12, 20))]
    assert [row.power for row in made.rows[:2]] == [0, 0]  # three seeds cannot test
    assert made.rows[5].power >= 0.8 > made.rows[2].power
    # Two workers: half of seeds times 100 steps of 0.1 s and 10 or 20 checkpoints of 2 s.
    assert [row.seconds for row in made.rows[2:4]] == pytest.approx([6 * 30 / 2, 6 * 50 / 2])
    assert made.smallest == min((row for row in made.rows if row.power >= 0.8), key=lambda row: row.seconds)
    assert (made.as_written.n_seeds, made.as_written.power) == (2, 0)
    assert planned(study(seeds=[0, 1]), pace) == made


def test_related_groups_count_together_twins_once_and_a_run_tells_what_is_usable(quick, monkeypatch):
    monkeypatch.setattr(planning, "N_SEEDS", (3,))
    other, control = GROUP | {"name": "h"}, GROUP | {"name": "c", "kind": "control"}
    twin = GROUP | {"name": "t", "twins": "g"}
    assert planned(study(other, GROUP, twin, control)).n_groups == 2
    assert planned(study(other, GROUP, primary={"groups": ["h"]})).n_groups == 1
    known = planned(study(), n_usable=5)
    assert [row.n_usable for row in known.rows[:2]] == [5, 10]
    assert known.are_usable_known


def test_words_say_what_is_enough_what_is_written_and_what_is_assumed(quick):
    pace = Pace("g", 0.012, 2.0)
    made = planned(study(seeds=[0, 1]), pace)
    text = "\n".join(lines(made))
    assert text.startswith("Does gap go with cosine beyond progress, over 1 group?")
    assert "    6                  12" in text
    quickest = f"{made.smallest.n_seeds} seeds with {made.smallest.n_usable} usable checkpoints"
    assert f"The quickest of these that finds it in 80% of studies: {quickest} of" in text
    assert "As written, 2 seeds with 6 usable checkpoints of 10: too few to test anything, about 21 s." in text
    assert "all but the first 40%" in text
    assert "Timed here: 12 ms a training step and 2 s a checkpoint of g" in text
    row = Row(6, 6, 10, 0.25, None)
    short = "\n".join(lines(replace(made, rows=(row,), as_written=row, pace=None, are_usable_known=True)))
    assert "None of these finds it in 80% of studies; the most is 25%, with 6 seeds" in short
    assert "As written, 6 seeds with 6 usable checkpoints of 10: found in 25% of studies, not known." in short
    assert "those of the typical run of the folder" in short


def test_the_time_of_other_groups_follows_from_their_tokens_and_models():
    larger = GROUP | {"name": "larger", "model": {"n_layers": 4}}
    longer = GROUP | {"name": "longer", "training": {"steps": 300}}
    pace = Pace("g", 0.1, 2.0)
    alone = seconds_of(study(), pace, n_seeds=1, denser=1, n_workers=1)
    assert alone == pytest.approx(100 * 0.1 + 10 * 2.0)
    training = seconds_of(study(GROUP, larger), replace(pace, seconds_a_checkpoint=0), n_seeds=1, denser=1, n_workers=1)
    assert training == pytest.approx(5 * 100 * 0.1)
    assert seconds_of(study(GROUP, longer), pace, n_seeds=1, denser=1, n_workers=1) == pytest.approx(alone + 3 * alone)


def test_usable_checkpoints_of_a_folder_are_those_of_the_questions_typical_run(tmp_path, monkeypatch):
    x, y = series(3, 9)
    overlap, transfer = tables(x, y)
    other, _ = tables(x, y, metric="spearman")
    overlap.loc[overlap["step"] <= 300, "usable"] = False
    overlap.loc[(overlap["seed"] == 2) & (overlap["step"] <= 800), "usable"] = False
    both = {"overlap": pd.concat([overlap, other]), "transfer": transfer}
    monkeypatch.setattr(planning, "make_tables", lambda folder: both)
    assert usable_in(RunFolder.create(tmp_path / "run", study(), "test")) == 6


@pytest.mark.slow
def test_the_command_times_the_real_model_and_prints_a_plan(tmp_path, quick, monkeypatch):
    monkeypatch.setattr("headreuse.work.timing.TRAINING_SECONDS", 0.0)
    monkeypatch.setattr(planning, "N_SEEDS", (3, 8))
    file = tmp_path / "study.toml"
    file.write_text(
        'name = "small"\nalphabet_size = 3\nmodel = { n_layers = 1, n_heads = 2, d_model = 8 }\n'
        "training = { steps = 100, batch_size = 4, checkpoints = { every = 10 } }\n"
        "measures = { n_examples = 8, n_score_examples = 8, beyond = 0 }\n"
        '[[groups]]\nname = "g"\nmain = { task = "copy", max_length = 2 }\n'
        'auxiliary = [{ task = "reverse", max_length = 3 }]\n'
    )
    status, out, err = headreuse("plan", file, "--effect", "0.9", "--workers", "1", "--json")
    assert status == 0
    made = json.loads(out)
    assert len(made["rows"]) == 4
    assert made["question"]["overlap"] == "cosine"
    assert 0 < made["pace"]["seconds_a_step"] < 30
    assert 0 < made["pace"]["seconds_a_checkpoint"] < 60
    assert made["smallest"] in made["rows"]
    assert "timing a few training steps" in err
    assert "simulating studies of 8 seeds with 12 usable checkpoints" in err
    assert list(tmp_path.iterdir()) == [file]


def test_fewer_examples_are_measured_where_a_checkpoint_takes_long_and_threads_are_given_back(monkeypatch):
    monkeypatch.setattr("headreuse.work.timing.MEASURING_SECONDS", 1e-6)
    monkeypatch.setattr("headreuse.work.timing.TRAINING_SECONDS", 0.0)
    seen = []
    monkeypatch.setattr("headreuse.work.timing._seconds_a_checkpoint", lambda folder: seen.append(folder.study) or 1.0)
    before = torch.get_num_threads()
    found = pace_of(study(measures=SMALL["measures"] | {"n_examples": 400, "n_score_examples": 200}), n_threads=2)
    assert torch.get_num_threads() == before
    assert (seen[0].measures.n_examples, seen[0].measures.n_score_examples) == (4, 4)
    assert 50 <= found.seconds_a_checkpoint <= 100


def test_what_cannot_be_planned_is_told(tmp_path):
    tell = Wanted(0.35, 0.8), lambda _words: None
    with pytest.raises(HeadreuseError, match="small: no group is related, so there is no question to plan for"):
        plan_of(study(GROUP | {"kind": "control"}), None, *tell)
    folder = RunFolder.create(tmp_path / "run", study(), "test")
    with pytest.raises(HeadreuseError, match="nothing has been measured yet"):
        plan_of(folder.study, folder, *tell)
    status, _, err = headreuse("plan", Path("analyses") / "none.toml")
    assert status == 2
    assert "no such file" in err
