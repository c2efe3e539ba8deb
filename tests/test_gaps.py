"""The gap by lengths: `analyses/gaps.py` reads kept studies and sets their cells beside the published ones."""

import json
import re

import pandas as pd
import pytest

from analyses import gaps
from headreuse.errors import HeadreuseError
from headreuse.study import Group, Study, TaskRange

GAPS = {(0, 1): 0.9, (0, 2): 0.4, (1, 1): 0.9, (1, 2): 0.1}
"""By seed and step."""


@pytest.fixture
def kept(tmp_path):
    """A kept study of copies to 4 with reversals to 8, and of copies alone."""
    related = Group(
        name="copy-4-8",
        main=TaskRange(task="copy", max_length=4),
        auxiliary=(TaskRange(task="reverse", max_length=8), TaskRange(task="capitalize", max_length=6)),
    )
    study = Study(name="kept", groups=(related, Group(name="alone", main=TaskRange(task="copy", max_length=4))))
    (tmp_path / "study.json").write_text(json.dumps({"study": json.loads(study.model_dump_json())}))
    rows = [("copy-4-8", *at, gap) for at, gap in GAPS.items()]
    rows.append(("alone", 0, 2, None))
    pd.DataFrame(rows, columns=["group", "seed", "step", "gap"]).to_csv(tmp_path / "transfer.csv", index=False)
    return tmp_path


def test_a_cell_is_the_mean_over_seeds_at_the_last_step_by_the_longest_lengths(kept):
    (row,) = gaps.gaps([kept]).to_dict("records")
    assert (row["task"], row["main"], row["auxiliary"], row["n_seeds"]) == ("copy", 4, 8, 2)
    assert (row["gap"], row["least"], row["greatest"]) == pytest.approx((0.25, 0.1, 0.4))
    assert (row["without_transfer"], row["published_reverse_add"]) == (0.5, 0.41)


def test_the_same_cell_twice_is_refused(kept):
    with pytest.raises(HeadreuseError, match=re.escape("copy to 4 with 8 is measured by two groups")):
        gaps.gaps([kept, kept])


def test_a_folder_without_a_kept_study_is_refused(tmp_path):
    with pytest.raises(HeadreuseError, match=re.escape("no kept study")):
        gaps.measured(tmp_path)


def test_the_published_cells_are_those_of_the_paper():
    assert len(gaps.PUBLISHED) == 49
    assert {length: gaps.PUBLISHED[length, length] for length in gaps.LENGTHS} == dict.fromkeys(gaps.LENGTHS, 0.0)
    # Of what the page says: 4 with 8, 8 with 16, 16 with 32; main longer than its auxiliaries.
    assert [gaps.PUBLISHED[pair] for pair in ((4, 8), (8, 16), (16, 32), (16, 8))] == [0.41, 0.27, 0.23, 0.03]


def test_the_figure_has_a_panel_for_each_task_and_the_published_one(kept):
    figure = gaps.draw(gaps.gaps([kept]))
    measured, published = figure.data
    assert (list(measured.y), list(measured.x), measured.z.tolist()) == (["4"], ["8"], [[0.25]])
    assert published.z[0].tolist()[:2] == [0.0, 0.41]
    assert [text.text for text in figure.layout.annotations] == ["copy", "reverse_add, as published"]
