"""A study file: what it means, and how its mistakes are told.

Covers `study/config.py`, `study/group.py`, `study/task_range.py`, `study/model_spec.py`, `study/training_spec.py`,
`study/measure_spec.py`, `study/reading.py` and `study/explaining.py`.
"""

from pathlib import Path

import pytest

from headreuse.study import CheckpointSchedule, Study, StudyError, parse_study, read_study

SMALLEST = {"name": "s", "groups": [{"name": "g", "main": {"task": "copy", "max_length": 4}}]}


def problems_of(raw: dict) -> list[str]:
    with pytest.raises(StudyError) as caught:
        parse_study(raw, "study.toml")
    return caught.value.problems


def test_five_mistakes_come_in_one_answer_with_places_and_nearest_right_values(tmp_path):
    path = tmp_path / "bad.toml"
    path.write_text(
        """
name = "my study"
seeds = [0, -1]
[model]
posiiton = "rope"
n_layers = 0
position = "ropes"
[training]
steps = "300"
learning_rate = 0
[[groups]]
name = "a"
main = { task = "capitalise", max_length = 8 }
[[groups]]
name = "a"
kind = "contrl"
main = { task = "copy" }
"""
    )
    with pytest.raises(StudyError) as caught:
        read_study(path)
    lines = caught.value.problems
    expected = {
        "name": 'try "my_study"',
        "seeds[1]": "nearest: 0",
        "model.posiiton": "did you mean 'position'?",
        "model.n_layers": "nearest: 1",
        "model.position": "did you mean 'rope'?",
        "training.steps": "try 300",
        "training.learning_rate": "greater than 0.0; the default is 0.001",
        "groups[0].main.task": "did you mean 'capitalize'?",
        "groups[1].name": "taken by groups[0]",
        "groups[1].kind": "did you mean 'control'?",
        "groups[1].main.max_length": "required",
    }
    told = {line.split(": ", 1)[0]: line for line in lines}
    assert set(told) == set(expected)
    assert all(right in told[place] for place, right in expected.items())
    assert str(caught.value).startswith(f"{path}: 11 problems")


@pytest.mark.parametrize(
    ("changed", "place", "right"),
    [
        ({"model": {"d_model": 60, "n_heads": 8}}, "model", "try 64"),
        ({"model": {"n_heads": 4, "n_key_value_heads": 3}}, "model", "try 2"),
        ({"training": {"warmup": 0.8, "decay": 0.5}}, "training", "lower decay to 0.2"),
        ({"training": {"checkpoints": {"every": 5, "at": [1]}}}, "training.checkpoints", "exactly one of"),
        ({"measures": {"methods": ["mean_ablatoin"]}}, "measures.methods", "did you mean 'mean_ablation'?"),
        ({"measures": {"score_length": 9}}, "measures.score_length", "nearest: 4"),
        ({"groups": []}, "groups", "at least 1"),
        ({"model": {"rope_theta": float("inf")}}, "model.rope_theta", "finite"),
        ({"extra": 1}, "extra", "unknown key"),
    ],
)
def test_each_mistake_names_its_place_and_what_would_be_right(changed, place, right):
    lines = problems_of(SMALLEST | changed)
    assert len(lines) == 1
    assert lines[0].startswith(f"{place}: ")
    assert right in lines[0]


def test_a_missing_file_and_broken_toml_are_told_in_one_line(tmp_path):
    with pytest.raises(StudyError, match="no such file"):
        read_study(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("name = \n")
    with pytest.raises(StudyError, match=r"not valid TOML: .*line 1"):
        read_study(broken)


def test_a_group_states_only_what_differs_from_the_studys_training():
    raw = SMALLEST | {"training": {"steps": 700, "batch_size": 32}}
    raw["groups"] = [SMALLEST["groups"][0] | {"training": {"steps": 50}}]
    training = parse_study(raw, "s").groups[0].training
    assert (training.steps, training.batch_size) == (50, 32)


def test_a_mistake_in_the_shared_training_is_told_once():
    lines = problems_of(SMALLEST | {"training": {"steps": 0}})
    assert lines == ["training.steps: 0 is below the smallest allowed; nearest: 1"]


@pytest.mark.parametrize(
    ("schedule", "steps"),
    [
        ({"every": 3}, (3, 6, 9, 10)),
        ({"at": [7, 2, 99]}, (2, 7, 10)),
        ({"log_spaced": 3, "first": 1}, (1, 3, 10)),
    ],
)
def test_checkpoint_schedules_by_hand(schedule, steps):
    assert CheckpointSchedule(**schedule).steps(10) == steps


def test_scores_default_to_the_longest_length_within_mains_training_range():
    study = read_study(Path(__file__).parent.parent / "analyses" / "demo.toml")
    assert [study.score_length(group) for group in study.groups] == [6, 6, 6, 6]
    assert list(study.eval_lengths(study.groups[0], "capitalize"))[-1] == 16


def test_a_length_step_thins_curves_and_keeps_where_something_ends():
    tasks = {"main": {"task": "sort", "max_length": 6}, "auxiliary": [{"task": "reverse", "max_length": 9}]}
    group = tasks | {"name": "sorting", "transfer_to": 13}
    study = Study(name="thin", alphabet_size=26, groups=(group,), measures={"length_step": 4, "beyond": 2})
    assert study.eval_lengths(study.groups[0], "reverse") == [4, 6, 8, 9, 12, 13, 15]
    assert study.eval_lengths(study.groups[0], "sort") == [4, 6, 8, 9, 12, 13, 15]
    every = Study(name="all", alphabet_size=26, groups=(group,), measures={"beyond": 2})
    assert every.eval_lengths(every.groups[0], "reverse") == list(range(1, 16))
