"""Every study file under analyses/ is sound, and together they have every task and every published group."""

from pathlib import Path

import pytest

from headreuse.study import Study, read_study
from headreuse.tasks import TASKS

ANALYSES = Path(__file__).parent.parent / "analyses"
FILES = sorted(ANALYSES.rglob("*.toml"))
PRETRAINED = ANALYSES / "paper" / "pretrained.toml"
PAPER = sorted(set((ANALYSES / "paper").glob("*.toml")) - {PRETRAINED})
"""From scratch."""
OF_THE_PAPER = ("arithmetic", "mazes", "recall", "strings")
"""The families of tasks that it has."""
MAX_NAME = 64

PUBLISHED = {
    (("reverse_add", 16), frozenset({("no_carry", 32), ("carry_only", 32)}), "related"),
    (("reverse_add", 16), frozenset({("reverse_subtract", 32)}), "related"),
    (("reverse_add", 8), frozenset({("multiply_cot", 16)}), "related"),
    (("copy", 16), frozenset({("mqar", 32)}), "related"),
    (("capitalize_reverse", 16), frozenset({("capitalize", 32), ("reverse", 32)}), "related"),
    (("dfs_trace", 32), frozenset({("shortest_path", 64)}), "related"),
    (("shortest_path", 32), frozenset({("dfs_trace", 64)}), "related"),
    (("reverse_add", 16), frozenset({("copy_first_operand", 32)}), "control"),
    (("copy", 16), frozenset({("reverse", 32)}), "control"),
}
"""Main task and auxiliaries with their longest training lengths, and the kind: the table of the published groups."""


def arms(study: Study) -> set:
    return {
        (
            (group.main.task, group.main.max_length),
            frozenset((t.task, t.max_length) for t in group.auxiliary),
            group.kind,
        )
        for group in study.groups
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ANALYSES).as_posix())
def test_a_study_file_is_sound_and_its_names_fit_folders(path):
    study = read_study(path)
    names = [study.name, *(group.name for group in study.groups)]
    assert max(map(len, names)) <= MAX_NAME
    assert len({group.name for group in study.groups}) == len(study.groups)


def test_no_two_study_files_share_a_run_folder():
    names = [read_study(path).name for path in FILES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("paths", "families"), [(FILES, None), (PAPER, OF_THE_PAPER)], ids=["all", "paper"])
def test_every_task_is_in_a_study(paths, families):
    named = {name for path in paths for group in read_study(path).groups for name in group.task_names}
    modules = {name: TASKS[name].__module__.removeprefix("headreuse.tasks.") for name in TASKS}
    ours = {name for name, module in modules.items() if TASKS[name].__module__.startswith("headreuse.")}
    assert named & modules.keys() == {name for name in ours if families is None or modules[name] in families}


@pytest.mark.parametrize("path", PAPER, ids=lambda path: path.stem)
def test_the_paper_scale_is_the_published_one(path):
    study = read_study(path)
    for group in study.groups:
        model, training = study.model_of(group), group.training
        assert (model.n_layers, model.n_heads, model.d_model, model.d_mlp) == (6, 6, 384, 1536)
        assert (training.steps, training.batch_size, training.learning_rate) == (20_000, 1024, 1e-3)
        assert (training.warmup * training.steps, training.decay * training.steps) == (2_000, 8_000)
        assert (training.betas, training.weight_decay, training.clip) == ((0.9, 0.98), 0.01, 1.0)
    assert study.measures.n_examples == 1024
    assert len(study.seeds) == (3 if path.stem == "lengths" else 5)


def test_every_published_group_is_there_with_single_auxiliaries_and_alone():
    found = set().union(*(arms(read_study(path)) for path in PAPER))
    assert found >= PUBLISHED
    for main, auxiliary, kind in PUBLISHED:
        assert (main, frozenset(), "alone") in found
        assert all((main, frozenset({one}), kind) in found for one in auxiliary)


def test_alone_and_single_arms_are_evaluated_as_far_as_the_joint_ones():
    studies = [read_study(path) for path in PAPER if path.stem != "lengths"]
    reach = {group.main: {} for study in studies for group in study.groups}
    for study in studies:
        for group in study.groups:
            reach[group.main][group.name] = group.transfer_to
    assert all(len(set(ends.values())) == 1 for ends in reach.values()), reach


def test_the_grid_of_lengths_is_the_published_one_from_4_to_256():
    study = read_study(ANALYSES / "paper" / "lengths.toml")
    sizes = [2**n for n in range(2, 9)]
    found = {(group.main.max_length, entry.max_length) for group in study.groups for entry in group.auxiliary}
    assert found == {(main, auxiliary) for main in sizes for auxiliary in sizes}
    assert len(study.groups) == 49
    assert all(group.task_names == ("reverse_add", "no_carry", "carry_only") for group in study.groups)


def test_every_group_without_rotary_position_has_a_rotary_twin():
    groups = [(study, group) for study in map(read_study, PAPER) for group in study.groups]
    rotary = {(group.main, group.auxiliary) for study, group in groups if study.model_of(group).position == "rope"}
    bare = [(group.main, group.auxiliary) for study, group in groups if study.model_of(group).position == "nope"]
    assert len(bare) == 4
    assert set(bare) <= rotary


def test_the_pretrained_models_are_the_published_ones_and_so_are_the_groups():
    study = read_study(PRETRAINED)
    by_arm = {(group.main.task, group.name.removeprefix(group.main.task)): group for group in study.groups}
    assert set(by_arm) == {
        (task, arm) for task in ("reverse_add", "shortest_path") for arm in ("", "-alone", "-zero_shot")
    }
    for (_, arm), group in by_arm.items():
        assert group.source.key == ("series" if arm == "-zero_shot" else "start")
        assert group.source.hub == ("HuggingFaceTB/SmolLM2-360M-intermediate-checkpoints",)
        assert group.source.revisions.log_spaced == 16
        joint = by_arm[group.main.task, ""]
        assert (group.main, group.transfer_to) == (joint.main, joint.transfer_to)
    joint = study.model_copy(update={"groups": tuple(group for (_, arm), group in by_arm.items() if not arm)})
    assert arms(joint) < PUBLISHED
    assert study.question.groups == ("reverse_add", "shortest_path")
    assert len(study.seeds) == 5


def test_every_published_group_has_a_small_one():
    small = set().union(*(arms(read_study(path)) for path in sorted((ANALYSES / "small").glob("*.toml"))))
    pairings = {(main[0], frozenset(task for task, _ in auxiliary), kind) for main, auxiliary, kind in small}
    assert {
        (main[0], frozenset(task for task, _ in auxiliary), kind) for main, auxiliary, kind in PUBLISHED
    } <= pairings
