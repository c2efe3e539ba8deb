"""One entry of a study file gives many groups, and each is what it would be if it were written out.

Covers `study/unfolding.py` and `study/one_group.py`.
"""

import pytest

from headreuse.study import StudyError, parse_study
from headreuse.study.model_spec import POSITIONS

MAIN = {"task": "reverse_add"}
AUXILIARIES = [{"task": "no_carry"}, {"task": "carry_only"}]
MAZE = {"name": "m", "main": {"task": "shortest_path", "max_length": 6}}


def groups_of(*groups: dict, **study):
    return {group.name: group for group in parse_study({"name": "s", "groups": list(groups)} | study, "file").groups}


def test_arms_are_all_auxiliaries_each_of_them_and_none():
    main, auxiliary = MAIN | {"max_length": 8}, [entry | {"max_length": 16} for entry in AUXILIARIES]
    groups = groups_of(
        {"name": "add", "main": main, "auxiliary": auxiliary, "arms": ["alone", "each", "joint"]},
    )
    assert list(groups) == ["add", "add-no_carry", "add-carry_only", "add-alone"]
    assert [group.task_names[1:] for group in groups.values()] == [
        ("no_carry", "carry_only"),
        ("no_carry",),
        ("carry_only",),
        (),
    ]
    assert {group.transfer_to for group in groups.values()} == {16}
    assert [group.kind for group in groups.values()] == ["related", "related", "related", "alone"]


@pytest.mark.parametrize(
    ("lengths", "pairs"),
    [
        ({"main": [4, 8], "auxiliary": [8, 16]}, [(4, 8), (4, 16), (8, 8), (8, 16)]),
        ([[8, 16], [4, 32]], [(8, 16), (4, 32)]),
    ],
)
def test_lengths_are_a_grid_or_pairs(lengths, pairs):
    groups = groups_of({"name": "add", "main": MAIN, "auxiliary": AUXILIARIES, "lengths": lengths})
    assert list(groups) == [f"add-{main}-{auxiliary}" for main, auxiliary in pairs]
    trained = [(group.main.max_length, *(entry.max_length for entry in group.auxiliary)) for group in groups.values()]
    assert trained == [(main, auxiliary, auxiliary) for main, auxiliary in pairs]


def test_positions_change_the_model_and_nothing_else():
    entry = {"name": "add", "main": MAIN | {"max_length": 4}, "positions": ["rope", "nope"], "model": {"n_layers": 3}}
    groups = groups_of(entry, model={"n_heads": 2, "n_layers": 5})
    assert {name: (g.model.position, g.model.n_layers, g.model.n_heads) for name, g in groups.items()} == {
        "add-rope": ("rope", 3, 2),
        "add-nope": ("nope", 3, 2),
    }
    twins = [group.model_dump(exclude={"name", "model"}) for group in groups.values()]
    assert twins[0] == twins[1]


def test_what_one_entry_is_unfolded_to_are_twins_and_other_groups_are_not():
    entry = {"name": "add", "main": MAIN, "auxiliary": AUXILIARIES, "lengths": [[4, 8]], "positions": ["rope", "nope"]}
    named = MAZE | {"name": "by_hand", "twins": "m", "arms": ["alone"]}
    groups = groups_of(entry | {"arms": ["joint", "each", "alone"]}, MAZE, named)
    assert {name: group.twins for name, group in groups.items()} == {
        **{name: "add" for name in groups if name.startswith("add")},
        "m": "m",
        "by_hand-alone": "m",
    }


def test_everything_at_once_multiplies():
    entry = {"name": "add", "main": MAIN, "auxiliary": AUXILIARIES, "lengths": [[4, 8], [8, 16]]}
    groups = groups_of(entry | {"positions": ["rope", "nope"], "arms": ["joint", "each", "alone"]})
    assert len(groups) == 2 * 2 * 4
    assert groups["add-4-8-nope-carry_only"].model.position == "nope"
    assert groups["add-4-8-nope-alone"].transfer_to == 8
    assert groups["add-4-8-nope-alone"].trained_to == 4


def test_arms_are_compared_over_one_range_and_each_gap_over_its_own_training_lengths():
    auxiliaries = [{"task": "no_carry", "max_length": 8}, {"task": "carry_only", "max_length": 16}]
    entry = {"name": "add", "main": MAIN | {"max_length": 4}, "auxiliary": auxiliaries}
    groups = groups_of(entry | {"arms": ["joint", "each", "alone"]})
    trained_to = {name: group.trained_to for name, group in groups.items()}
    assert trained_to == {"add": 16, "add-no_carry": 8, "add-carry_only": 16, "add-alone": 4}
    assert {group.transfer_to for group in groups.values()} == {16}
    study = parse_study({"name": "s", "measures": {"beyond": 2}, "groups": [entry | {"evaluate_to": 30}, MAZE]}, "file")
    assert [study.evaluated_to(group) for group in study.groups] == [30, 8]


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ({"transfer_to": 3}, "groups[0]: transfer_to 3 is below the longest training length, 4"),
        ({"transfer_to": 8, "evaluate_to": 7}, "groups[0]: evaluate_to 7 is below transfer_to, 8"),
    ],
)
def test_lengths_that_contradict_each_other_are_refused(lengths, message):
    with pytest.raises(StudyError) as caught:
        groups_of({"name": "a", "main": MAIN | {"max_length": 4}} | lengths)
    assert caught.value.problems == [message]


def test_an_unfolded_study_is_read_again_as_it_is():
    study = parse_study(
        {"name": "s", "groups": [{"name": "a", "main": MAIN, "lengths": [[4, 8]], "arms": ["alone"]}]}, "file"
    )
    assert parse_study(study.model_dump(mode="json"), "again") == study


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"arms": ["both"]}, 'groups[0].arms: ["both"] is not a list of joint, each, alone'),
        ({"arms": []}, "groups[0].arms: [] is not a list of joint, each, alone"),
        (
            {"positions": "rope"},
            f'groups[0].positions: "rope" is not a list of {", ".join(POSITIONS)}',
        ),
        ({"lengths": [4, 8]}, "groups[0].lengths: give pairs such as [[8, 16], [16, 32]]"),
        ({"lengths": {"main": [4]}}, "groups[0].lengths: give pairs such as"),
    ],
)
def test_a_wrong_wish_is_told_with_its_place_and_what_would_be_right(changed, told):
    with pytest.raises(StudyError) as caught:
        groups_of({"name": "a", "main": MAIN | {"max_length": 4}} | changed)
    assert len(caught.value.problems) == 1
    assert caught.value.problems[0].startswith(told)


def test_a_group_with_an_auxiliary_is_not_alone_and_one_without_is():
    with pytest.raises(StudyError, match='make it "related" or "control"'):
        groups_of(
            {"name": "a", "kind": "alone", "main": {"task": "copy", "max_length": 4}}
            | {"auxiliary": [{"task": "reverse", "max_length": 8}]}
        )
    with pytest.raises(StudyError, match='make it "alone", or give an auxiliary'):
        groups_of({"name": "a", "kind": "control", "main": {"task": "copy", "max_length": 4}})


def test_mazes_are_not_asked_for_longer_than_their_grid():
    study = parse_study({"name": "s", "grid_size": 3, "groups": [MAZE]}, "file")
    assert list(study.eval_lengths(study.groups[0], "shortest_path")) == list(range(3, 10))
    with pytest.raises(StudyError, match="shortest_path has no length 6 here; its longest is 4"):
        parse_study({"name": "s", "grid_size": 2, "groups": [MAZE]}, "file")
