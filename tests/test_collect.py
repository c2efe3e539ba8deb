"""What is kept of a finished study, from tables of a run folder of the size of a real one."""

import re
from types import SimpleNamespace

import pandas as pd
import pytest
from invented import report_inputs, small_study

from analyses import collect
from headreuse.correlation import correlation_table
from headreuse.store.folder import RunFolder


@pytest.fixture
def inputs():
    return report_inputs()


@pytest.fixture
def tables(inputs):
    return {name: getattr(inputs, name) for name in collect.KEPT}


def read(texts, folder):
    for name, text in texts:
        (folder / name).write_text(text)
    return {name: pd.read_csv(folder / name) for name, _ in texts}


def test_small_tables_are_kept_whole_and_rounded(tables, tmp_path):
    kept = read(list(collect.kept_tables(tables, small_study().groups)), tmp_path)
    pd.testing.assert_frame_equal(
        kept["transfer"], tables["transfer"].round(collect.DECIMALS), check_dtype=False, check_exact=False, rtol=1e-9
    )


def test_of_large_tables_the_last_step_of_each_group_is_kept(tables, tmp_path, monkeypatch):
    tables["accuracy"].loc[tables["accuracy"]["group"] == "copy_control", "step"] *= 3
    monkeypatch.setattr(collect, "MAX_BYTES", 20_000)
    kept = read(list(collect.kept_tables(tables, small_study().groups)), tmp_path)["accuracy"]
    expected = tables["accuracy"].groupby("group")["step"].max()
    assert expected.nunique() == 2
    assert kept.groupby("group")["step"].unique().map(list).to_dict() == {
        name: [step] for name, step in expected.items()
    }
    assert len(kept) == sum(
        (tables["accuracy"][["group", "step"]] == list(pair)).all(axis=1).sum() for pair in expected.items()
    )


def test_of_a_large_correlation_table_the_gap_with_the_headline_outcomes_is_kept(tables, tmp_path, monkeypatch):
    monkeypatch.setattr(collect, "MAX_BYTES", 1)
    whole, kept = (
        tables["correlation"],
        read(list(collect.kept_tables(tables, small_study().groups)), tmp_path)["correlation"],
    )
    chosen = whole["outcome"].isin(collect.HEADLINE_OUTCOMES) & (whole["transfer_metric"] == "gap")
    chosen &= whole["value"].notna() | whole["primary"]
    assert 0 < len(kept) == chosen.sum() < len(whole)


def test_the_study_with_its_versions_and_seeds_lies_beside_the_tables(tables, tmp_path, monkeypatch):
    study = small_study()
    record = {"study": study.model_dump(mode="json"), "versions": {"torch": "2.13.0"}}
    monkeypatch.setattr(collect, "make_tables", lambda _folder: tables)
    written = collect.collect(SimpleNamespace(study_record=record, study=study), tmp_path / "kept")
    assert sorted(path.name for path in written) == [
        "accuracy.csv", "correlation.csv", "functional_overlap.csv", "overlap.csv", "study.json", "transfer.csv",
    ]  # fmt: skip
    assert sum(path.stat().st_size for path in written) < 300_000
    assert '"torch": "2.13.0"' in (tmp_path / "kept" / "study.json").read_text()


@pytest.mark.slow
def test_the_correlation_can_be_made_again_from_the_overlap_that_is_kept(tables, tmp_path):
    kept = read(list(collect.kept_tables(tables, small_study().groups)), tmp_path)
    again = correlation_table(kept["overlap"], tables["transfer"], small_study().groups)
    whole = correlation_table(tables["overlap"], tables["transfer"], small_study().groups)
    same = whole[whole["outcome"].isin(collect.HEADLINE_OUTCOMES)].reset_index(drop=True)
    again = again[again["outcome"].isin(collect.HEADLINE_OUTCOMES)].reset_index(drop=True)
    assert len(again)
    pd.testing.assert_frame_equal(again.drop(columns="q"), same.drop(columns="q"), atol=1e-3, rtol=1e-3)


def test_an_unfinished_study_is_refused_and_nothing_written(tmp_path, monkeypatch, capsys):
    RunFolder.create(tmp_path / "run", small_study(), "test")
    monkeypatch.setattr("sys.argv", ["collect", str(tmp_path / "run"), "--out", str(tmp_path / "kept")])
    with pytest.raises(SystemExit) as ended:
        collect.main()
    assert ended.value.code == 2
    assert re.search(r"runs are not finished, as .+; `headreuse run` .+ goes on from there", capsys.readouterr().err)
    assert not (tmp_path / "kept").exists()
