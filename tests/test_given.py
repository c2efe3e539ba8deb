"""Studies of series that are given and of prompts in files, from a study file to the report.

Covers `sources/given.py`, `sources/listed.py`, `study/prompt_files.py` and `study/text_groups.py`.
"""

import json
import shutil
import threading
from pathlib import Path

import pytest
from decoders import random_model
from texts import merging, wrapped

from headreuse.errors import HeadreuseError
from headreuse.sources import look_again, runs_of
from headreuse.sources.listed import Place, listed, merged
from headreuse.sources.series.base import Entry, Origin
from headreuse.sources.series.selection import Revisions
from headreuse.store.folder import RunFolder
from headreuse.store.writing import alone_in
from headreuse.study import StudyError, read_study
from headreuse.tables.make import make_tables
from headreuse.work.engines import run_here
from headreuse.work.progress import progress
from headreuse.work.schedule import work
from headreuse.work.shards import Shard

STUDY = """
name = "given"
measures = { n_score_examples = 8, functional_sets = 0 }
[[groups]]
name = "sums"
main = { prompts = "sums.jsonl" }
auxiliary = [{ prompts = "differences.csv" }]
series = SERIES
"""


LONG = '{"clean": "1 + 1 =", "answer": " 2", "length": 5000}'


def lines(sign: str) -> list[dict]:
    pairs = [(a, b) for a in range(4, 9) for b in range(1, 5)]
    return [{"clean": f"{a} {sign} {b} =", "answer": f" {a + b if sign == '+' else a - b}"} for a, b in pairs]


def files_in(folder: Path) -> None:
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines("+")))
    rows = "".join(f"{row['clean']},{row['answer']}\n" for row in lines("-"))
    (folder / "differences.csv").write_text("clean,answer\n" + rows)


def saved(folder: Path, name: str, seed: int) -> None:
    random_model(name, vocab_size=400, seed=seed).save_pretrained(folder)
    wrapped(merging()).save_pretrained(folder)


def study_of(folder: Path, series: str, more: str = ""):
    files_in(folder)
    (folder / "s.toml").write_text(STUDY.replace("SERIES", series) + more)
    return read_study(folder / "s.toml")


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    """Two runs."""
    root = tmp_path_factory.mktemp("series")
    saved(root / "run-seed3" / "checkpoint-10", "gpt2", 10)
    saved(root / "run-seed7" / "step-10", "llama_gqa", 11)
    return root


def test_a_study_of_prompts_and_given_checkpoints_comes_to_its_tables(runs, tmp_path):
    folder = RunFolder.create(tmp_path / "out", study_of(tmp_path, f'"{runs}/run-seed{{seed}}"'), "run")
    look_again(folder)
    assert [run.label for run in runs_of(folder)] == [3, 7]
    assert work(folder, progress(folder), run_here, shard=Shard(1, 1), train=True, measure=True) == []
    tables = make_tables(folder)
    scores, accuracy = tables["head_scores"], tables["accuracy"]
    assert scores.groupby(["seed", "step", "task"]).size().index.tolist() == [
        (seed, 10, task) for seed in (3, 7) for task in ("differences", "sums")
    ]
    assert accuracy["n"].unique().tolist() == [20]
    assert accuracy["length"].unique().tolist() == [0]
    assert len(tables["overlap"])
    assert RunFolder.open(folder.root).study == folder.study, "prompts and series survive study.json"
    assert not any(entry.missing for entry in progress(RunFolder.open(folder.root)))


def test_a_process_waits_as_long_as_another_lists_the_series(runs, tmp_path, monkeypatch):
    folder = RunFolder.create(tmp_path / "out", study_of(tmp_path, f'"{runs}/run-seed{{seed}}"'), "run")
    # What work elsewhere waits for another process is shorter than what the other one takes here.
    monkeypatch.setattr(alone_in.__wrapped__, "__defaults__", (0.05,))
    other = alone_in(folder.root / "series")
    other.__enter__()
    threading.Timer(0.4, other.__exit__, (None, None, None)).start()
    look_again(folder)
    assert [run.label for run in runs_of(folder)] == [3, 7]


class Written(Origin):
    def __init__(self, *entries: tuple) -> None:
        self.found = [Entry("", f"checkpoint-{step}", step, None, key, f"/x/{step}", why) for step, key, why in entries]

    def entries(self):
        return tuple(self.found)

    def ready(self, entry):
        raise NotImplementedError


def noted(*entries: tuple):
    return listed([Place(None, "x", "", Written(*entries))], Revisions())


def test_what_is_noted_stays_and_what_comes_is_taken_up():
    before = noted((1, "a", ""), (2, "", "truncated"), (3, "c", ""))
    now = merged(before, noted((1, "other", ""), (2, "b", ""), (4, "d", "")))
    told = {entry.step: (entry.fingerprint, entry.problem) for entry in now.entries}
    assert told[1][0] == "a"
    assert "another model than when it was first listed" in told[1][1]
    assert told[2] == ("b", ""), "mended"
    assert told[3] == ("c", ""), "gone, and its results stay"
    assert told[4] == ("d", "")
    assert [entry.step for entry in now.entries] == [1, 2, 3, 4]


def test_two_checkpoints_of_one_step_are_not_both_used():
    entries = noted((1, "a", ""), (1, "b", "")).entries
    assert [entry.problem for entry in entries] == ["", "it has the step of checkpoint-1"]


def test_a_checkpoint_that_becomes_another_model_is_not_measured(runs, tmp_path):
    series = tmp_path / "one"
    shutil.copytree(runs / "run-seed7", series)
    saved(series / "step-200", "llama_gqa", 12)
    folder = RunFolder.create(tmp_path / "out", study_of(tmp_path, '"one"'), "run")
    look_again(folder)
    shutil.copy(series / "step-200/model.safetensors", series / "step-10/model.safetensors")
    (run,) = runs_of(folder)
    assert run.label == "one"
    with (
        pytest.raises(HeadreuseError, match="another model than when it was found"),
        run.source.ready(run, run.checkpoints[0]),
    ):
        pass
    look_again(folder)
    (run,) = runs_of(RunFolder.open(folder.root))
    assert [checkpoint.step for checkpoint in run.checkpoints] == [200]
    assert "another model than when it was first listed" in run.source.problems(run)[0]


@pytest.mark.parametrize(
    ("series", "changed", "message"),
    [
        ("{ seeds = [1] }", {}, 'say where the checkpoints are: folder = "out/"'),
        ('{ folder = "x", seeds = [1] }', {}, "seeds: no place has {seed} in it"),
        ('{ hub = "a/b-{seed}" }', {}, "say which seeds {seed} stands for"),
        ('{ folder = "x", fold = 1 }', {}, "series.fold: unknown key (did you mean 'folder'?)"),
        ('{ folder = ["/x", "/x"] }', {}, 'groups[0]: series: "/x" is listed twice'),
        (
            '"x"',
            {"sums.jsonl": LONG},
            'groups[0].main.prompts: "sums.jsonl" has prompts of length 5,000; lengths go to',
        ),
        ('"x"', {"sums.jsonl": "nonsense"}, "groups[0].main.prompts: sums: line 1:"),
        ('"x"', {"differences.csv": None}, "groups[0].auxiliary[0].prompts: differences.csv: no such file"),
    ],
)
def test_what_is_wrong_is_told_in_lines_with_their_place(tmp_path, series, changed, message):
    study_file = tmp_path / "s.toml"
    files_in(tmp_path)
    for name, content in changed.items():
        (tmp_path / name).unlink()
        if content is not None:
            (tmp_path / name).write_text(content)
    study_file.write_text(STUDY.replace("SERIES", series))
    with pytest.raises(StudyError) as caught:
        read_study(study_file)
    assert message in str(caught.value).replace(f"{tmp_path}/", "")


def test_text_is_refused_where_a_model_would_be_trained_on_symbols(tmp_path):
    with pytest.raises(StudyError, match="sums is text, but its model would be trained here on symbols"):
        study_of(tmp_path, '"x"', '[[groups]]\nname = "t"\nmain = { prompts = "sums.jsonl" }\n')


def test_a_slip_in_the_place_of_a_series_does_not_stand_in_the_way_of_the_mended_study(runs, tmp_path):
    folder = RunFolder.create(tmp_path / "out", study_of(tmp_path, '"nowhere"'), "run")
    with pytest.raises(HeadreuseError, match="sums: 'nowhere' is no folder"):
        look_again(folder)
    mended = RunFolder.create(tmp_path / "out", study_of(tmp_path, f'"{runs}/run-seed7"'), "run")
    look_again(mended)
    assert [run.label for run in runs_of(mended)] == ["run-seed7"]
    with pytest.raises(HeadreuseError, match="sums: its checkpoints came from elsewhere"):
        RunFolder.create(tmp_path / "out", study_of(tmp_path, f'"{runs}/run-seed3"'), "run")
