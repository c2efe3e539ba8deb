"""The primary question: how a study file asks it, how its mistakes are told, and that it stays as it was asked.

Covers `study/primary.py` and `study/asking.py`.
"""

from collections import defaultdict

import pandas as pd
import pytest
from invented import small_study

from headreuse.errors import HeadreuseError
from headreuse.store.folder import RunFolder
from headreuse.study import StudyError, parse_study
from headreuse.study.measure_spec import MeasureSpec
from headreuse.tables.join import join

REVERSE, CAPITALIZE = {"task": "reverse", "max_length": 8}, {"task": "capitalize", "max_length": 8}
COPY = {"name": "copying", "main": {"task": "copy", "max_length": 4}, "auxiliary": [REVERSE]}
ARMS = {
    "name": "arms",
    "main": {"task": "copy", "max_length": 4},
    "auxiliary": [REVERSE, CAPITALIZE],
    "arms": ["joint", "each", "alone"],
}
LENGTHS = {
    "name": "lengths",
    "main": {"task": "copy"},
    "auxiliary": [{"task": "reverse"}],
    "lengths": [[2, 4], [3, 6]],
    "arms": ["joint", "alone"],
}
ALONE = {"name": "alone", "main": {"task": "copy", "max_length": 4}}


def study(primary: object = None, *groups: dict, **changed: object):
    asked = {} if primary is None else {"primary": primary}
    return parse_study({"name": "s", "groups": list(groups) or [COPY]} | asked | changed, "study.toml")


def question(primary: object = None, **measures: object) -> tuple:
    asked = study(primary, measures=measures).question
    return asked.overlap, asked.method, asked.outcome, asked.transfer, asked.groups


def test_what_is_not_said_is_filled_in_with_what_has_no_floor_and_no_accuracy_in_it():
    assert question() == ("cosine", "mean_ablation", "log_prob", "gap", ())
    assert question(methods=["zero_ablation", "mean_ablation"], overlap_metrics=["kendall", "spearman"]) == (
        *("kendall", "zero_ablation", "log_prob", "gap"),
        (),
    )
    asked = {"overlap": "spearman", "outcome": "exact_match", "transfer": "transfer_fraction", "groups": ["copying"]}
    assert question(asked) == ("spearman", "mean_ablation", "exact_match", "transfer_fraction", ("copying",))
    assert question({"overlap": "attention_difference"})[:3] == ("attention_difference", None, None)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        (["arms"], ["arms"]),  # a group's own name comes first
        (["arms-reverse", "arms-capitalize"], ["arms-reverse", "arms-capitalize"]),
        (["lengths"], ["lengths-2-4", "lengths-3-6"]),  # an entry's stands for its groups with auxiliaries
        (["lengths-3-6", "lengths", "copying"], ["lengths-3-6", "lengths-2-4", "copying"]),
    ],
)
def test_groups_are_named_by_their_own_names_or_their_entrys(asked, meant):
    assert list(study({"groups": asked}, COPY, ARMS, LENGTHS).primary.groups) == meant


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"overlap": "cosin"}, "primary.overlap: unknown overlap metric \"cosin\" (did you mean 'cosine'?)"),
        ({"overlap": "kendal"}, "primary.overlap: unknown overlap metric \"kendal\" (did you mean 'kendall'?)"),
        (
            {"overlap": "kendall"},
            'primary.overlap: "kendall" is not measured; choose from: ablation_map_difference, cosine, spearman, '
            "top_k_jaccard, attention_difference, or add it to measures.overlap_metrics",
        ),
        (
            {"method": "mean_ablatoin"},
            "primary.method: unknown score \"mean_ablatoin\" (did you mean 'mean_ablation'?)",
        ),
        (
            {"method": "zero_ablation"},
            "primary.method: \"zero_ablation\" is not measured (did you mean 'mean_ablation'?)",
        ),
        ({"outcome": "logprob"}, "primary.outcome: unknown outcome \"logprob\" (did you mean 'log_prob'?)"),
        ({"transfer": "gaps"}, "primary.transfer: \"gaps\" is none of the choices (did you mean 'gap'?)"),
        ({"groups": ["copying", "copyng"]}, "primary.groups[1]: unknown group \"copyng\" (did you mean 'copying'?)"),
        ({"groups": ["alone"]}, 'primary.groups[0]: "alone" has no auxiliary task'),
        ({"groups": ["copying", "copying"]}, 'primary.groups: "copying" is listed twice; list it once'),
        ({"groups": "copying"}, 'primary.groups: "copying" should be a list; try ["copying"]'),
        ({"groups": ["copying", 3]}, "primary.groups[1]: 3 should be a valid string"),
        ({"groups": ["x y"]}, 'primary.groups[0]: "x y" may hold only letters'),
        ({"overlaps": "cosine"}, "primary.overlaps: unknown key (did you mean 'overlap'?)"),
        ({"overlap": "attention_difference", "outcome": "log_prob"}, "primary.outcome: attention_difference compares"),
        (3, "primary: 3 should be a table"),
    ],
)
def test_a_mistake_is_told_once_at_its_place_with_what_would_be_right(asked, line):
    with pytest.raises(StudyError) as caught:
        study(asked, COPY, ALONE)
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(line)


def test_mistakes_are_told_with_others_and_places_are_those_of_the_file():
    with pytest.raises(StudyError) as caught:
        study({"groups": ["arms", "lenghts"], "overlap": "cosin"}, ARMS, LENGTHS, training={"steps": 0})
    places = {line.split(": ")[0] for line in caught.value.problems}
    assert places == {"primary.groups[1]", "primary.overlap", "training.steps"}


def test_the_question_is_kept_and_another_is_refused(tmp_path):
    root = tmp_path / "run"
    RunFolder.create(root, study({"groups": ["lengths"]}, LENGTHS), "test")
    assert RunFolder.open(root).study.primary.groups == ("lengths-2-4", "lengths-3-6")
    kept = (root / "study.json").read_text()
    for other in ({"overlap": "spearman", "groups": ["lengths"]}, {"groups": ["lengths-2-4"]}, None):
        with pytest.raises(HeadreuseError, match=r"asks another primary question \(primary\.(overlap|groups): .* now"):
            RunFolder.create(root, study(other, LENGTHS), "test")
    assert (root / "study.json").read_text() == kept
    same = study({"groups": ["lengths"], "overlap": "cosine"}, LENGTHS, seeds=[0, 1])
    assert RunFolder.create(root, same, "test").study.seeds == (0, 1)  # said in other words


def test_studies_together_ask_about_the_groups_that_each_asks_about(tmp_path, monkeypatch):
    monkeypatch.setattr("headreuse.tables.join.make_tables", lambda folder: defaultdict(pd.DataFrame))
    monkeypatch.setattr("headreuse.tables.join.derive", lambda tables, design: {"asked": design.primary})
    control = COPY | {"name": "control", "kind": "control"}
    RunFolder.create(tmp_path / "a", study(None, COPY, control), "test")
    RunFolder.create(tmp_path / "b", study(None, COPY, control), "test")
    assert join([tmp_path / "a", tmp_path / "b"]).question.groups == ()
    RunFolder.create(tmp_path / "c", study({"groups": ["control"], "overlap": "spearman"}, COPY, control), "test")
    joined = join([tmp_path / "a", tmp_path / "c"])
    assert joined.question.groups == ("a/copying", "c/control")
    assert joined.question.overlap == "cosine"
    assert joined.tables["asked"] == joined.question


def test_the_question_is_asked_of_banzhaf_values_where_a_study_has_them():
    for methods, expected in ((["mean_ablation", "banzhaf"], "banzhaf"), (["zero_ablation", "mean_ablation"], None)):
        study = small_study(measures=MeasureSpec(methods=methods))
        assert study.headline_method == study.question.method == (expected or methods[0])


def test_a_score_of_patterns_is_asked_about_by_its_own_outcome_and_by_no_other():
    methods = ["induction", "mean_ablation"]
    assert question(None, methods=methods)[1:3] == ("induction", "attention")
    assert question({"method": "mean_ablation"}, methods=methods)[1:3] == ("mean_ablation", "log_prob")
    for asked, line in (
        ({"method": "induction", "outcome": "log_prob"}, 'induction gives attention alone, not "log_prob"'),
        (
            {"method": "mean_ablation", "outcome": "attention"},
            'mean_ablation gives every outcome but attention, not "at',
        ),
    ):
        with pytest.raises(StudyError, match=f"primary.outcome: {line}"):
            study(asked, measures={"methods": methods})
