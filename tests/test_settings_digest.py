"""Checkpoints of a training with other settings are not taken for those of the study in the folder."""

import pytest

from headreuse.errors import HeadreuseError
from headreuse.sources import runs_of
from headreuse.store.folder import RunFolder
from headreuse.study import parse_study
from headreuse.study.settings_digest import training_digest
from headreuse.work.progress import progress

STUDY = {
    "name": "s",
    "alphabet_size": 3,
    "model": {"n_layers": 1, "n_heads": 2, "d_model": 16},
    "training": {"steps": 2, "batch_size": 4, "checkpoints": {"every": 2}},
    "groups": [{"name": "g", "main": {"task": "copy", "max_length": 2}}],
}


def study(**changes):
    return parse_study(STUDY | changes, "study.toml")


def digest(**changes) -> str:
    changed = study(**changes)
    return training_digest(changed, changed.groups[0])


def test_what_training_depends_on_changes_the_digest_and_nothing_else_does():
    base = digest()
    longer = [{"name": "g", "main": {"task": "copy", "max_length": 3}}]
    wider = STUDY["model"] | {"d_model": 32}
    others = [digest(groups=longer), digest(model=wider), digest(data_seed=1), digest(alphabet_size=4)]
    assert len({base, *others}) == 5
    assert digest(training=STUDY["training"] | {"log_every": 7, "report_to": ["wandb"]}) == base
    assert digest(measures={"n_examples": 3}, seeds=[4]) == base
    assert digest(model=STUDY["model"] | {"position": "rope"}) == base, "a default that is written out"


def test_a_study_of_other_settings_put_into_a_folder_finds_none_of_its_checkpoints(tmp_path):
    first = RunFolder.create(tmp_path / "first", study(), "run")
    (run,) = runs_of(first)
    run.source.make(first.study, run, lambda _fraction, _words: None)
    assert [checkpoint.step for checkpoint in run.checkpoints] == [2]
    other = RunFolder.create(tmp_path / "other", study(data_seed=1), "run")
    first.study_file.write_bytes(other.study_file.read_bytes())
    swapped = RunFolder.open(first.root)
    (entry,) = progress(swapped)
    assert entry.checkpoints == ()
    assert "trained with other settings than the study in study.json has" in entry.problems[0]
    (run,) = runs_of(swapped)
    with pytest.raises(HeadreuseError, match=r"trained with other settings .* move .* away"):
        run.source.make(swapped.study, run, lambda _fraction, _words: None)
