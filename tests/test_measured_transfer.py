"""Transfer that was measured elsewhere: the file, the checkpoints that it fits, and that it takes the gap's place.

Covers `study/measured.py`, `study/transfer_rows.py`, `tables/measured_transfer.py`, `tables/checkpoints.py` and what
`tables/transfer.py` and `correlation/panels.py` make of it.
"""

import numpy as np
import pandas as pd
import pytest
from checkpoint_series import group, one, rows_of, series, tables
from invented import DEMO

from headreuse.correlation import correlation_table
from headreuse.errors import HeadreuseError
from headreuse.store.folder import RunFolder
from headreuse.store.notes import CheckpointNote, write_note
from headreuse.study import Study, StudyError, parse_study, read_study
from headreuse.study.primary import Primary
from headreuse.study.transfer_rows import OWN_COLUMNS, measures_among, parse_transfer
from headreuse.tables.checkpoints import checkpoints
from headreuse.tables.measured_transfer import about_transfer, measured_transfer
from headreuse.tables.results import Results
from headreuse.tables.transfer import transfer_table, with_measured

SMALL = {
    "name": "small",
    "seeds": [0, 1],
    "training": {"steps": 20, "checkpoints": {"every": 10}},
    "groups": [
        {
            "name": "g",
            "main": {"task": "copy", "max_length": 2},
            "auxiliary": [{"task": "reverse", "max_length": 4}],
        }
    ],
}
HEADER = "seed,step,transfer,few_shot\n"


def small(text: str, **changes) -> Study:
    return parse_study(SMALL | {"transfer": {"file": "mine.csv", "text": text}} | changes, "small")


def checkpoints_of(study: Study, root) -> Results:
    """A run folder in which the checkpoints of a study are noted, without models."""
    folder = RunFolder.create(root, study, "test")
    for one_group in study.groups:
        for seed in study.seeds:
            for step in one_group.training.checkpoints.steps(one_group.training.steps):
                path = folder.series_folder(one_group.name, seed) / f"checkpoint-{step}"
                path.mkdir(parents=True)
                write_note(path, CheckpointNote(one_group.name, seed, step, f"{step:064d}", {}))
    return Results(folder)


# The file


def test_rows_say_run_step_and_measures_and_an_empty_cell_says_nothing():
    rows = parse_transfer("\n run , step,transfer,few_shot\nseed-0,1000.0, .5 ,\n\n\nseed-0,2000,-1e-3,7\n")
    assert [(row.line, row.run, row.step, dict(row.values)) for row in rows] == [
        (3, "seed-0", 1000, {"transfer": 0.5}),
        (6, "seed-0", 2000, {"transfer": -0.001, "few_shot": 7.0}),
    ]


def test_every_faulty_line_is_told_at_once_with_its_number():
    text = "seed,step,transfer,model\n0,10,0.5,x\n0,10,0.6,y\n1,1_0,0.5,x\n,10,nan,x\n1,10\n1,20,1e999,z\n"
    with pytest.raises(HeadreuseError) as told:
        parse_transfer(text)
    assert str(told.value).splitlines() == [
        'line 1: unknown column model: it holds no number (such as "x"); leave it out',
        "line 3: the same checkpoint as line 2; give it once",
        'line 4: step "1_0" is no whole number',
        "line 5: seed is empty",
        'line 5: transfer "nan" is no number; leave the cell empty where nothing was measured',
        "line 6: it has 2 values for 4 columns",
        'line 7: transfer "1e999" is no number; leave the cell empty where nothing was measured',
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "line 1: no column step"),
        ("run;step;transfer\n0;1;2\n", "with commas between them"),
        ("run,step,transfr\n0,1,2\n", "line 1: no column transfer (did you mean 'transfr'?)"),
        ("run,seed,step,transfer\n0,0,1,2\n", "line 1: both run and seed are columns"),
        ("run,step,transfer,transfer\n0,1,2,3\n", 'line 1: "transfer" names two columns'),
        ("run,step,transfer,gap\n0,1,2,3\n", "line 1: the tables have a column gap of their own"),
        ("run,step,transfer,at 16\n0,1,2,3\n", 'line 1: "at 16" is no name for a column'),
        ("run,step,transfer\n", "it has no rows"),
        ('run,step,transfer\n0,1,"2\n', "line 2: this is not CSV"),
    ],
)
def test_a_file_that_is_no_table_of_transfer_is_refused(text, line):
    with pytest.raises(HeadreuseError) as told:
        parse_transfer(text)
    assert line in str(told.value)


def test_a_study_file_names_it_and_keeps_its_text(tmp_path):
    (tmp_path / "mine.csv").write_text("\ufeff" + HEADER + "0,200,0.5,1\n")
    file = tmp_path / "study.toml"
    file.write_text('transfer = "mine.csv"\n' + DEMO.read_text())
    with pytest.raises(StudyError) as told:
        read_study(file)
    assert told.value.problems == [
        "mine.csv: the study has 2 groups; add a column group: capitalize_reverse, copy_control"
    ]
    (tmp_path / "mine.csv").write_text("group,seed,step,transfer\ncopy_control,0,200,0.5\ncopy_contrl,0,200,1\n")
    with pytest.raises(StudyError) as told:
        read_study(file)
    assert told.value.problems == [
        "mine.csv: line 3: unknown group \"copy_contrl\" (did you mean 'copy_control'?); "
        "choose from: capitalize_reverse, copy_control"
    ]
    (tmp_path / "mine.csv").write_text("group,seed,step,transfer\ncopy_control,0,200,0.5\n")
    study = read_study(file)
    assert parse_study(study.model_dump(mode="json"), "again") == study
    file.write_text('transfer = "other.csv"\n' + DEMO.read_text())
    with pytest.raises(StudyError, match=r"transfer: other.csv: no such file"):
        read_study(file)
    with pytest.raises(StudyError, match="line 2"):
        small(HEADER + "0,x,1,1\n")


def test_the_question_is_of_the_file_where_there_is_one_and_names_any_column():
    assert parse_study(SMALL, "s").question.transfer == "gap"
    text = HEADER + "0,10,0.5,1\n"
    assert small(text).question.transfer == "transfer"
    assert small(text, primary={"transfer": "few_shot"}).question.transfer == "few_shot"
    assert small(text, primary={"transfer": "gap"}).question.transfer == "gap"
    with pytest.raises(StudyError) as told:
        small(text, primary={"transfer": "fewshot"})
    assert told.value.problems == [
        "primary.transfer: \"fewshot\" is none of the choices (did you mean 'few_shot'?); "
        "choose from: transfer, few_shot, gap, transfer_fraction"
    ]
    with pytest.raises(StudyError, match="g has 2 seeds; add a column seed: 0, 1"):
        small("step,transfer\n10,0.5\n")
    assert small("step,transfer\n10,0.5\n", seeds=[3]).transfer.rows[0].run is None


def test_a_file_that_comes_later_may_change_the_question_only_where_there_was_none(tmp_path):
    RunFolder.create(tmp_path, parse_study(SMALL, "s"), "test")
    with pytest.raises(HeadreuseError, match="transfer: gap there, transfer now"):
        RunFolder.create(tmp_path, small(HEADER + "0,10,0.5,1\n"), "test")
    kept = RunFolder.create(tmp_path, small(HEADER + "0,10,0.5,1\n", primary={"transfer": "gap"}), "test")
    assert kept.study.transfer.measures == ("transfer", "few_shot")


# The checkpoints


def test_rows_go_to_their_checkpoints_and_what_fits_none_is_told(tmp_path):
    study = small(HEADER + "0,10,0.5,\n0,20,0.6,2\n1,10,0.7,3\n7,10,1,1\n1,15,1,1\n1,20,,\n")
    results = checkpoints_of(study, tmp_path)
    found = measured_transfer(results)
    assert found.to_dict("list") == {
        "group": ["g", "g", "g"],
        "seed": [0, 0, 1],
        "step": [10, 20, 10],
        "transfer": [0.5, 0.6, 0.7],
        "few_shot": [pytest.approx(np.nan, nan_ok=True), 2.0, 3.0],
    }
    assert list(about_transfer(results)) == [
        "mine.csv: 3 rows without a checkpoint (line 5: 7 step 10; line 6: 1 step 15; line 7: 1 step 20)",
        "mine.csv: 1 checkpoint without a row (g seed 1 step 20)",
    ]


def test_a_file_without_runs_is_of_the_only_run_and_a_study_without_a_file_has_an_empty_table(tmp_path):
    alone = small("step,transfer\n10,0.5\n20,0.25\n", seeds=[3])
    results = checkpoints_of(alone, tmp_path / "a")
    assert measured_transfer(results)["transfer"].tolist() == [0.5, 0.25]
    assert measured_transfer(results)["seed"].tolist() == [3, 3]
    assert list(about_transfer(results)) == []
    without = checkpoints_of(parse_study(SMALL, "s"), tmp_path / "b")
    assert measured_transfer(without).to_csv(index=False) == "group,seed,step\n"
    assert list(about_transfer(without)) == []


def test_the_table_of_transfers_has_every_checkpoint_of_either():
    rows = [("g", 0, step, task, n, 1.0) for step in (10, 20) for task in ("copy", "reverse") for n in (1, 2, 16)]
    accuracy = pd.DataFrame(rows, columns=["group", "seed", "step", "task", "length", "accuracy"])
    of_accuracy = transfer_table(accuracy, [group("g")])
    assert set(of_accuracy.columns) == set(OWN_COLUMNS)
    measured = pd.DataFrame({"group": ["g", "g"], "seed": [0, 0], "step": [20, 30], "transfer": [0.5, 0.75]})
    both = with_measured(of_accuracy, measured)
    assert both["step"].tolist() == [10, 20, 30]
    assert both["transfer"].tolist() == [pytest.approx(np.nan, nan_ok=True), 0.5, 0.75]
    assert both["gap"].tolist() == [0.0, 0.0, pytest.approx(np.nan, nan_ok=True)]
    assert with_measured(of_accuracy, measured.iloc[:0]) is of_accuracy
    alone = with_measured(of_accuracy.iloc[:0], measured)
    assert alone["transfer"].tolist() == [0.5, 0.75]
    assert measures_among(alone.columns) == ("transfer",)
    assert set(alone.columns) == {*OWN_COLUMNS, "transfer"}


def test_the_table_of_checkpoints_says_where_each_lies_and_what_it_has_seen(tmp_path):
    found = checkpoints(checkpoints_of(parse_study(SMALL | {"seeds": [3]}, "s"), tmp_path))
    assert found["place"].tolist() == [f"checkpoints/g/seed-3/checkpoint-{step}" for step in (10, 20)]
    assert found["fingerprint"].tolist() == [f"{step:064d}" for step in (10, 20)]
    assert found["step"].tolist() == [10, 20]
    assert found["tokens"].isna().all()


# The correlation


def test_overlap_is_correlated_with_it_as_with_the_gap_and_more_is_more_transfer():
    x, y = series(6, 12, relation=0.9, trend=0)
    overlap, transfer = tables(x, -y)
    given = transfer.assign(transfer=y.ravel())
    question = Primary(overlap="cosine", method="mean_ablation", outcome="log_prob", transfer="transfer")
    table = correlation_table(overlap, given, [group("g")], primary=question)
    ours, gap = (one(table, transfer_metric=name, statistic="beyond_progress") for name in ("transfer", "gap"))
    assert ours["primary"]
    assert not gap["primary"]
    assert (ours["verdict"], ours["direction"]) == ("beyond progress", "reuse")
    assert (ours["verdict"], ours["direction"], ours["p"]) == (gap["verdict"], gap["direction"], gap["p"])
    assert ours["value"] == pytest.approx(-gap["value"])
    opposite = correlation_table(overlap, given.assign(transfer=-given["transfer"]), [group("g")], primary=question)
    assert one(opposite, transfer_metric="transfer", statistic="beyond_progress")["direction"] == "opposite"
    assert set(rows_of(table, method="negative control")["transfer_metric"]) == {"gap", "transfer_fraction", "transfer"}


def test_prompts_without_lengths_have_no_gap_to_be_correlated_with():
    x, y = series(4, 6, relation=0.9)
    overlap, transfer = tables(x, y)
    bare = group("g").model_copy(
        update={
            "main": group("g").main.model_copy(update={"max_length": 0}),
            "auxiliary": tuple(entry.model_copy(update={"max_length": 0}) for entry in group("g").auxiliary),
        }
    )
    assert not bare.has_lengths
    given = transfer.assign(gap=np.nan, transfer_fraction=np.nan, transfer=y.ravel())
    assert set(correlation_table(overlap, given, [bare])["transfer_metric"]) == {"transfer"}
    without = correlation_table(overlap, transfer.iloc[:0], [bare])
    assert not len(without)
    assert list(without.columns) == list(correlation_table(overlap, given, [bare]).columns)
