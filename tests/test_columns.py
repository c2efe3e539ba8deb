"""Every column of every table is explained."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from invented import report_inputs

from headreuse.overlap.compare import Overlap
from headreuse.overlap.table import COLUMNS as OF_OVERLAP
from headreuse.study.transfer_rows import OWN_COLUMNS
from headreuse.tables.base import TABLES
from headreuse.tables.columns import FURTHER, PLACE, columns_of

RESULTS = Path(__file__).parent.parent / "analyses/results"
KEPT = [
    path for path in sorted(RESULTS.rglob("*.csv")) if path.stem in TABLES and (path.parent / "study.json").exists()
]


@pytest.fixture(scope="module")
def inputs():
    return report_inputs(n_checkpoints=2)


def unexplained(name: str, columns) -> list[str]:
    meanings = TABLES[name].columns
    return [] if FURTHER in meanings else [column for column in columns if column not in meanings]


@pytest.mark.parametrize("path", KEPT, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_column_of_the_kept_results_is_explained(path):
    assert unexplained(path.stem, pd.read_csv(path, nrows=0).columns) == []


def test_kept_results_have_most_tables():
    assert {path.stem for path in KEPT} >= {
        "accuracy",
        "overlap",
        "correlation",
        "arms",
        "functional_overlap",
        "transfer",
    }


def test_tables_have_the_columns_that_are_explained_in_their_order():
    """Of those whose columns are said elsewhere too."""
    assert list(TABLES["overlap"].columns) == [*PLACE, *OF_OVERLAP]
    assert [name for name in TABLES["transfer"].columns if name != FURTHER] == list(OWN_COLUMNS)
    assert "accuracy_beyond_ci_high" in OWN_COLUMNS


@pytest.mark.parametrize("name", ["accuracy", "clocks", "correlation", "functional_overlap", "head_scores"])
def test_every_column_of_a_report_s_tables_is_explained(inputs, name):
    assert unexplained(name, getattr(inputs, name).columns) == []


@pytest.mark.parametrize("name", TABLES)
def test_explanations_are_sentences(name):
    for column, meaning in TABLES[name].columns.items():
        assert column == FURTHER or column.isidentifier()
        assert len(meaning) > 8, column
        assert meaning[0].isupper() or meaning[0].isdigit() or meaning[0] in "`p", meaning
        assert meaning.endswith("."), meaning


def test_a_column_without_an_explanation_would_be_seen():
    assert unexplained("accuracy", ["task", "new"]) == ["new"]


def test_the_strings_under_fields_explain_columns():
    @dataclass
    class Record:
        """Of the class."""

        a: int
        """What it
        is."""
        b: int
        c: int = 0
        """Also."""

    assert columns_of(Record) == {"a": "What it is.", "c": "Also."}
    assert columns_of(Record, "c") == {"c": "Also."}
    assert set(columns_of(Overlap)) == set(Overlap.__dataclass_fields__)
