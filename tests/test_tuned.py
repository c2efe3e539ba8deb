"""Groups whose models start from pretrained ones: what a study file says of them, their runs and their zero-shot twins.

Covers `sources/tuned.py` and `study/starts.py`; `test_tuning.py` covers the fine-tuning itself.
"""

import shutil
from pathlib import Path

import pytest
from test_tuning import pretrained

from headreuse.errors import HeadreuseError
from headreuse.sources import look_again, runs_of
from headreuse.store.folder import RunFolder
from headreuse.store.notes import read_note, write_note
from headreuse.study import Study, StudyError, parse_study, read_study
from headreuse.work.engines import run_here
from headreuse.work.progress import progress
from headreuse.work.schedule import work
from headreuse.work.shards import Shard

TASKS = {
    "main": {"task": "copy", "max_length": 2},
    "auxiliary": [{"task": "reverse", "max_length": 3, "template": "Reverse: {prompt}"}],
}
TRAINING = {"steps": 2, "batch_size": 4}
OUT = {"folder": ["out"]}


@pytest.fixture(scope="module")
def pretraining(tmp_path_factory) -> Path:
    """A folder of two checkpoints."""
    out = tmp_path_factory.mktemp("pretraining") / "out"
    for step in (10, 20):
        pretrained(out / f"checkpoint-{step}", "gpt2", step=step)
    return out


def study(out: Path, *, seeds=(0,), **group) -> Study:
    start = {"folder": [str(out)]}
    raw = {"name": "g", "start": start, "training": TRAINING} | TASKS | group
    measures = {"n_examples": 4, "n_score_examples": 4, "beyond": 0, "functional_sets": 0}
    return parse_study(
        {"name": "s", "alphabet_size": 3, "seeds": list(seeds), "measures": measures, "groups": [raw]}, "study.toml"
    )


def done(root: Path, asked: Study, *, measure: bool = False) -> tuple[RunFolder, list[str]]:
    """The folder after all that is missing was made, and what failed."""
    folder = RunFolder.create(root, asked, "run")
    look_again(folder)
    return folder, work(folder, progress(folder), run_here, shard=Shard(1, 1), train=True, measure=measure)


def made(root: Path) -> dict[str, int]:
    """When each fine-tuned model was written."""
    return {
        str(file.relative_to(root)): file.stat().st_mtime_ns for file in root.glob("checkpoints/*/*/*/*.safetensors")
    }


def test_each_seed_has_a_model_for_each_step_of_the_pretraining_and_only_new_ones_are_trained(pretraining, tmp_path):
    out, root = tmp_path / "out", tmp_path / "run"
    shutil.copytree(pretraining / "checkpoint-10", out / "checkpoint-10")
    folder, failed = done(root, study(out))
    assert failed == []
    first = made(root)
    assert list(first) == ["checkpoints/g/seed-0/checkpoint-10/model.safetensors"]
    shutil.copytree(pretraining / "checkpoint-20", out / "checkpoint-20")
    folder, failed = done(root, study(out, seeds=(0, 1)))
    assert failed == []
    runs = runs_of(folder)
    assert [(str(run), [at.step for at in run.checkpoints], run.missing) for run in runs] == [
        ("g seed 0", [10, 20], ()),
        ("g seed 1", [10, 20], ()),
    ]
    later = made(root)
    assert len(later) == 4
    assert later.items() >= first.items()
    assert len({at.fingerprint for run in runs for at in run.checkpoints}) == 4
    _again, failed = done(root, study(out, seeds=(0, 1)))
    assert (made(root), failed) == (later, [])


def test_other_revisions_may_be_asked_for_later_and_nothing_else_of_a_start(pretraining, tmp_path):
    def missing(**start) -> tuple[int, ...]:
        asked = study(pretraining, start={"folder": [str(pretraining)]} | start)
        folder = RunFolder.create(tmp_path, asked, "run")
        look_again(folder)
        (run,) = runs_of(folder)
        return run.missing

    assert [missing(revisions={"at": [20]}), missing(), missing(revisions={"last": 15})] == [(20,), (10, 20), (10,)]
    with pytest.raises(HeadreuseError, match="g: its checkpoints came from elsewhere"):
        missing(bf16=True)


def test_fine_tuned_models_are_measured_with_the_end_of_the_text_in_their_answers(pretraining, tmp_path):
    folder, failed = done(tmp_path, study(pretraining), measure=True)
    assert failed == []
    (found,) = progress(folder)
    assert not found.missing
    with found.run.source.ready(found.run, found.run.checkpoints[0]) as checkpoint:
        assert found.run.source.encoder(checkpoint).ends


def test_a_model_that_fails_leaves_the_others_alone(pretraining, tmp_path):
    in_the_way = tmp_path / "checkpoints" / "g" / "seed-0" / "checkpoint-10"
    in_the_way.mkdir(parents=True)
    folder, failed = done(tmp_path, study(pretraining))
    assert len(failed) == 1
    assert "checkpoint-10: no whole checkpoint of this training; move it away" in failed[0]
    (run,) = runs_of(folder)
    assert ([at.step for at in run.checkpoints], run.missing) == ([20], (10,))


def test_a_model_of_another_start_is_named_and_not_used(pretraining, tmp_path):
    folder, _ = done(tmp_path, study(pretraining))
    path = runs_of(folder)[0].checkpoints[0].path
    note = read_note(path)
    write_note(path, note.__class__(**vars(note) | {"start": "f" * 64}))
    (run,) = runs_of(folder)
    assert [at.step for at in run.checkpoints] == [20]
    (problem,) = run.source.problems(run)
    assert "it was fine-tuned from another model than the series has" in problem
    assert f"delete {path} to fine-tune again" in problem


def test_with_a_seed_in_the_place_each_seed_starts_from_its_own_pretraining(pretraining, tmp_path):
    for seed in (0, 1):
        shutil.copytree(pretraining / f"checkpoint-{10 + 10 * seed}", tmp_path / f"out-{seed}" / "checkpoint-10")
    folder = RunFolder.create(tmp_path / "run", study(tmp_path / "out-{seed}", seeds=(0, 1)), "run")
    starts = [run.source._starts(run)[10] for run in runs_of(folder)]
    assert [start.path.parent.name for start in starts] == ["out-0", "out-1"]
    folder = RunFolder.create(tmp_path / "other", study(tmp_path / "out-{seed}", seeds=(0, 7)), "run")
    with pytest.raises(HeadreuseError, match="g seed 7: start: no pretraining of seed 7; there are 0, 1"):
        runs_of(folder)


def test_several_pretrainings_of_one_start_are_refused(pretraining, tmp_path):
    for name in ("one", "two"):
        shutil.copytree(pretraining, tmp_path / "out" / name)
    folder = RunFolder.create(tmp_path / "run", study(tmp_path / "out"), "run")
    with pytest.raises(
        HeadreuseError, match=r"g seed 0: start: several pretrainings \(one, two\); give one, or \{seed\}"
    ):
        runs_of(folder)


def test_defaults_are_those_of_fine_tuning_and_what_the_study_says_comes_first(pretraining, tmp_path):
    def spec(**training):
        return study(pretraining, training=training).groups[0].training

    assert (spec().steps, spec().batch_size, spec().learning_rate) == (1000, 64, 5e-5)
    assert spec(lora={"rank": 8}).learning_rate == 2e-4
    assert (spec(steps=7).steps, spec(steps=7).batch_size) == (7, 64)
    file = tmp_path / "study.toml"
    file.write_text(
        """
        name = "s"
        training.learning_rate = 1e-2
        groups = [
            { name = "a", start = "out/", main = { task = "copy", max_length = 2 } },
            { name = "b", main = { task = "reverse", max_length = 2 } },
        ]
        """
    )
    tuned, scratch = read_study(file).groups
    assert (tuned.training.learning_rate, tuned.training.steps) == (1e-2, 1000)
    assert (scratch.training.learning_rate, scratch.training.steps) == (1e-2, 3000)
    assert tuned.source.folder == (str(tmp_path / "out"),)
    kept = read_study(file)
    assert parse_study(kept.model_dump(mode="json"), "study.json") == kept


def test_the_zero_shot_twin_measures_the_same_series_on_the_same_prompts(pretraining):
    tuned, zero = study(pretraining, arms=["joint", "zero_shot"]).groups
    assert (tuned.name, zero.name, zero.source.key) == ("g", "g-zero_shot", "series")
    assert zero.tasks == tuned.tasks
    assert zero.source.folder == tuned.source.folder
    assert study(pretraining, arms=["joint", "zero_shot"]).question.groups == ("g",), "not pooled with its twin"
    alone = study(pretraining, auxiliary=[], arms=["alone", "zero_shot"]).groups
    assert [group.name for group in alone] == ["g-alone", "g-zero_shot"]


@pytest.mark.parametrize(
    ("group", "message"),
    [
        (
            {"start": OUT, "training": {"compile": True}},
            "groups[0]: training.compile is for models that are trained from scratch",
        ),
        ({"start": {"folder": []}}, "start: say where the checkpoints are"),
        (
            {"start": OUT, "auxiliary": [{"task": "reverse", "max_length": 3}]},
            "groups[0]: copy and reverse have one template, so nothing tells the model which is asked for; give both",
        ),
        (
            {"start": OUT, "training": {"lora": {"rang": 3}}},
            "groups[0].training.lora.rang: unknown key (did you mean 'rank'?)",
        ),
        (
            {"series": OUT, "arms": ["joint", "zero_shot"]},
            "groups[0].arms: zero_shot is for groups that start from pretrained models",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_told(group, message):
    with pytest.raises(StudyError) as caught:
        parse_study({"name": "s", "groups": [{"name": "g"} | TASKS | group]}, "study.toml")
    assert any(message in problem for problem in caught.value.problems), caught.value.problems


def test_low_rank_changes_to_a_model_from_scratch_and_training_on_files_of_prompts_are_refused(tmp_path):
    (tmp_path / "mine.jsonl").write_text('{"clean": "a", "answer": "b"}\n')
    file = tmp_path / "study.toml"
    file.write_text('name = "s"\n[[groups]]\nname = "g"\nstart = "out/"\nmain = { prompts = "mine.jsonl" }\n')
    with pytest.raises(
        StudyError, match=r"groups\[0\]: mine is a file of prompts, which are measured and never trained"
    ):
        read_study(file)
    file.write_text(
        'name = "s"\ntraining.lora.rank = 4\n[[groups]]\nname = "g"\nmain = { task = "copy", max_length = 2 }\n'
    )
    with pytest.raises(
        StudyError, match=r"groups\[0\]: training.lora adapts pretrained models, but its model is trained"
    ):
        read_study(file)
