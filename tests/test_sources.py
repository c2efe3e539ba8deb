"""A run's checkpoints come from its source: trained here, or from a source that a file of its own adds.

Covers `sources/__init__.py`, `sources/trained.py`, `study/runs.py`, `study/source_specs.py`, `work/progress.py`,
`work/jobs.py`, `work/schedule.py` and `work/shards.py`.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from headreuse.errors import HeadreuseError
from headreuse.records import Checkpoint
from headreuse.sources import Trained, runs_of
from headreuse.sources.series.local import LocalOrigin
from headreuse.store.folder import RunFolder
from headreuse.study import StudyError, parse_study
from headreuse.study.runs import Source
from headreuse.study.source_specs import SOURCE_SPECS, SourceSpec, source_spec
from headreuse.tables import make
from headreuse.tables.make import make_tables
from headreuse.work.engines import run_here
from headreuse.work.jobs import MeasureJob
from headreuse.work.progress import missing, progress
from headreuse.work.schedule import Measurements, work
from headreuse.work.shards import Shard

WHOLE = Shard(1, 1)
TASKS = {
    "main": {"task": "copy", "max_length": 2},
    "auxiliary": [{"task": "reverse", "max_length": 3}],
}
STUDY = {
    "name": "s",
    "alphabet_size": 3,
    "model": {"n_layers": 1, "n_heads": 2, "d_model": 16},
    "training": {"steps": 4, "batch_size": 4, "checkpoints": {"every": 2}},
    "measures": {"n_examples": 4, "n_score_examples": 4, "beyond": 1, "functional_sets": 2},
}


def study(*groups, **changes):
    return parse_study(STUDY | {"groups": list(groups)} | changes, "study.toml")


def done(folder: RunFolder, **stages) -> list[str]:
    return work(folder, progress(folder), run_here, shard=WHOLE, **({"train": True, "measure": True} | stages))


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> RunFolder:
    """Two groups that are twins and the same but for their names, so that their models are too."""
    both = study({"name": "one"} | TASKS, {"name": "two", "twins": "one", "kind": "control"} | TASKS)
    folder = RunFolder.create(tmp_path_factory.mktemp("run") / "s", both, "run")
    assert done(folder, measure=False) == []
    return folder


@pytest.fixture
def elsewhere():
    """A source as a file of its own would add it: every `checkpoint-<step>` of a folder that is given."""
    with SOURCE_SPECS.apart():

        @source_spec("elsewhere")
        class ElsewhereSpec(SourceSpec):
            folder: str

            def open(self, root: Path) -> Source:
                return Elsewhere(Path(self.folder))

        yield


@dataclass(frozen=True)
class Elsewhere(Source):
    folder: Path

    def labels(self, study, group):
        return (self.folder.name,)

    def checkpoints(self, run):
        listed = LocalOrigin(self.folder).entries()
        return tuple(Checkpoint(Path(entry.place), entry.step, entry.fingerprint) for entry in listed)


def test_a_trained_run_lacks_the_steps_of_its_schedule_until_it_is_trained(tmp_path):
    folder = RunFolder.create(tmp_path, study({"name": "one"} | TASKS, seeds=[3, 5]), "run")
    runs = runs_of(folder)
    assert [str(run) for run in runs] == ["one seed 3", "one seed 5"]
    assert [run.source for run in runs] == [Trained(tmp_path, folder.study)] * 2
    assert [(run.checkpoints, run.missing) for run in runs] == [((), (2, 4))] * 2


def test_two_groups_with_one_model_are_measured_once(trained):
    found = progress(trained)
    keys = [{unit.key for unit in entry.missing} for entry in found]
    assert keys[0] == keys[1]
    assert missing(found, train=True, measure=True).n_units == len(keys[0])
    jobs = Measurements(trained).jobs(found)
    assert [str(job) for job in jobs] == ["measuring one seed 0 step 2", "measuring one seed 0 step 4"]
    assert sorted(unit.key for job in jobs for unit in job.units) == sorted(keys[0])
    assert done(trained) == []
    assert not any(entry.missing for entry in progress(trained))
    tables = make_tables(trained)
    for name in ("accuracy", "head_scores", "functional_overlap"):
        of_group = tables[name].groupby("group").size()
        assert of_group["one"] == of_group["two"] > 0


def test_the_order_in_which_tables_are_registered_makes_none_anew(trained, monkeypatch):
    assert done(trained) == []
    before = make_tables(trained)
    monkeypatch.setattr(make, "TABLES", dict(reversed(list(make.TABLES.items()))))
    monkeypatch.setattr(make, "compute_tables", None)
    assert set(make_tables(trained)) == set(before)


def test_head_sets_are_ablated_at_the_last_checkpoint_that_the_run_will_have(trained):
    kinds = {
        (at.checkpoint.step, unit.kind)
        for entry in progress(trained)
        for at in entry.checkpoints
        for unit in (*at.done, *at.missing)
    }
    assert {step for step, kind in kinds if kind == "set_ablation"} == {4}


def test_a_source_of_its_own_file_is_measured_and_nothing_is_trained(trained, elsewhere, tmp_path):
    given = {"name": "given", "elsewhere": {"folder": str(trained.series_folder("one", 0))}}
    folder = RunFolder.create(tmp_path / "given", study(given | TASKS), "run")
    (run,) = runs_of(folder)
    assert str(run) == "given seed-0"
    assert (len(run.checkpoints), run.missing) == (2, ())
    assert missing(progress(folder), train=True, measure=True).n_runs == 0
    assert done(folder) == []
    assert not (folder.root / "checkpoints").exists()
    table = make_tables(folder)["overlap"]
    assert table["seed"].unique().tolist() == ["seed-0"]
    assert RunFolder.open(folder.root).study == folder.study, "the source survives study.json"
    with pytest.raises(NotImplementedError, match="Elsewhere makes no checkpoints"):
        run.source.make(folder.study, run, lambda _fraction, _note: None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"elsewhere": {"fold": "x"}}, "elsewhere.fold: unknown key (did you mean 'folder'?)"),
        ({"elsewhere": {}}, "elsewhere.folder: missing; it is required"),
        ({"source": {}}, "give one source, not 0 (none)"),
        ({"source": {"nowhere": {}}}, "unknown source 'nowhere'; choose from: series, start, elsewhere"),
    ],
)
def test_wrong_settings_of_a_source_are_told_in_one_line(elsewhere, changes, message):
    with pytest.raises(StudyError) as caught:
        study({"name": "given"} | TASKS | changes)
    assert len(caught.value.problems) == 1
    assert message in caught.value.problems[0]


def test_a_checkpoint_that_cannot_be_loaded_fails_its_job_alone(trained, tmp_path):
    (first, *_) = progress(trained)
    broken = MeasureJob(trained, first.run, first.checkpoints[0].checkpoint, first.checkpoints[0].done[:1])
    assert broken.run(lambda _fraction, _note: None) == []
    unmeasured = replace(broken.units[0], task="unmeasured")
    missing_folder = first.checkpoints[0].checkpoint.__class__(tmp_path / "gone", 2, "0" * 64)
    with pytest.raises(HeadreuseError, match="no such folder"):
        MeasureJob(trained, first.run, missing_folder, (unmeasured,)).run(lambda _fraction, _note: None)


def test_shards_share_the_work_without_gap_or_overlap():
    names = [f"measuring group seed {seed} step {step}" for seed in range(5) for step in range(40)]
    shards = [Shard.parse(f"{index}/3") for index in (1, 2, 3)]
    assert all(sum(shard.holds(name) for shard in shards) == 1 for name in names)
    assert Shard.parse("1/1") == WHOLE
    for text in ("0/3", "4/3", "1", "a/b"):
        with pytest.raises(HeadreuseError, match=f"'{text}' is no part such as 1/4"):
            Shard.parse(text)
