"""The gap by lengths: `analyses/gaps.py` sets what arms measured beside the published cells."""

import re
from dataclasses import replace

import pandas as pd
import pytest

from analyses import gaps
from analyses.measured_arms import arm_of, read_arms
from headreuse.errors import HeadreuseError
from headreuse.study import Group, Study, TaskRange

GAPS = {0: 0.4, 1: 0.1, 2: 0.9}
"""By seed."""
LEARNED = {0: 1.0, 1: 0.95, 2: 0.3}
"""Main's accuracy at its own lengths: with the third seed nothing could transfer."""


@pytest.fixture
def arm():
    """Copies to 4 with reversals to 8 and capitals to 6."""
    auxiliary = (TaskRange(task="reverse", max_length=8), TaskRange(task="capitalize", max_length=6))
    group = Group(name="copies", main=TaskRange(task="copy", max_length=4), auxiliary=auxiliary)
    study, steps = Study(name="kept", groups=(group,)), group.training.steps
    transfer = pd.DataFrame(
        [("copies", seed, steps, gap, LEARNED[seed], 0.0, 0.0) for seed, gap in GAPS.items()],
        columns=["group", "seed", "step", "gap"] + [f"accuracy_{n}" for n in ("in_distribution", "transfer", "beyond")],
    )
    accuracy = pd.DataFrame(
        [("copies", seed, steps, "copy", length, 1.0) for seed in GAPS for length in range(1, 9)],
        columns=["group", "seed", "step", "task", "length", "accuracy"],
    )
    return arm_of("kept", study, group, {"transfer": transfer, "accuracy": accuracy})


def cells(*arms):
    return gaps.with_published(gaps.measured(arms))


def test_a_cell_is_the_mean_over_seeds_that_learned_main_by_the_longest_lengths(arm):
    alone, control = replace(arm, kind="alone", auxiliary=frozenset()), replace(arm, kind="control")
    (row,) = cells(arm, alone, control).to_dict("records")
    assert (row["task"], row["main"], row["auxiliary"], row["n_seeds"]) == ("copy", 4, 8, 2)
    assert (row["gap"], row["least"], row["greatest"]) == pytest.approx((0.25, 0.1, 0.4))
    assert (row["without_transfer"], row["published_reverse_add"]) == (0.5, 0.41)


def test_the_same_cell_twice_is_refused(arm):
    with pytest.raises(HeadreuseError, match=re.escape("other/copies: copy to 4 with 8 is there twice")):
        cells(arm, replace(arm, name="other/copies"))


@pytest.mark.parametrize("damaged", ["study.json", "transfer.csv", "accuracy.csv"])
def test_a_folder_that_holds_no_whole_study_is_refused_in_one_line(damaged, tmp_path):
    for name, text in {"study.json": '{"study": {"groups": []}}', "transfer.csv": "a\n", "accuracy.csv": "a\n"}.items():
        (tmp_path / name).write_text("" if name == damaged else text)
    with pytest.raises(HeadreuseError, match=f"{re.escape(str(tmp_path))}: not what analyses.collect writes"):
        read_arms([tmp_path])


def test_the_published_cells_are_those_of_the_paper():
    assert len(gaps.PUBLISHED) == 49
    assert {length: gaps.PUBLISHED[length, length] for length in gaps.LENGTHS} == dict.fromkeys(gaps.LENGTHS, 0.0)
    # Of what the page says: 4 with 8, 8 with 16, 16 with 32; main longer than its auxiliaries.
    assert [gaps.PUBLISHED[pair] for pair in ((4, 8), (8, 16), (16, 32), (16, 8))] == [0.41, 0.27, 0.23, 0.03]


def test_the_figure_has_a_panel_for_each_task_and_the_published_one(arm):
    figure = gaps.draw(cells(arm))
    measured, published = figure.data
    assert (list(measured.y), list(measured.x), measured.z.tolist()) == (["4"], ["8"], [[0.25]])
    assert published.z[0].tolist()[:2] == [0.0, 0.41]
    assert [text.text for text in figure.layout.annotations] == ["copy", "reverse_add, as published"]
