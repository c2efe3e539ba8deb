"""Damaged run folders: whatever happened to the files, each command says so in lines, and no table is wrong in silence.

`folders.py` draws the damage. Covers `tables/verifying.py` and `work/mending.py`.
"""

import contextlib
import io
import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from folders import damage

from headreuse import report
from headreuse.cli import main
from headreuse.report import publishing

STUDY = """
name = "tiny"
alphabet_size = 3
model = { n_layers = 1, n_heads = 2, d_model = 16 }
training = { steps = 2, batch_size = 4, log_every = 1, checkpoints = { every = 1 } }
measures = { n_examples = 4, n_score_examples = 4, beyond = 1, functional_sets = 2, overlap_metrics = ["spearman"] }
[[groups]]
name = "one"
main = { task = "copy", max_length = 2 }
auxiliary = [{ task = "reverse", max_length = 3 }]
[[groups]]
name = "two"
main = { task = "reverse", max_length = 2 }
"""
SERIES = Path("checkpoints", "one", "seed-0")
SAID = re.compile(r"damaged|not complete|out of date|failed: |^headreuse: ", re.MULTILINE)
"""What a command says where its tables are not those of the whole study."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


def headreuse(*arguments: object) -> Ended:
    """A command in this process; what it does not turn into a line is raised."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["headreuse", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    return Ended(int(ended.value.code or 0), out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Whole:
    """An undamaged run folder, and what it gives."""

    folder: Path
    tables: dict[str, bytes]
    correlation: str


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Whole:
    root = tmp_path_factory.mktemp("whole")
    (root / "tiny.toml").write_text(STUDY)
    ended = headreuse("run", root / "tiny.toml", "--out", root / "tiny", "--workers", 0)
    assert ended.status == 0, ended.err
    correlation = headreuse("correlate", root / "tiny")
    assert (correlation.status, correlation.err) == (0, "")
    return Whole(root / "tiny", tables(root / "tiny" / "tables"), correlation.out)


@pytest.fixture(autouse=True)
def _pages_of_one_shape_are_drawn_once(monkeypatch):
    """Drawing a page takes longer than all the rest, and tables that lack the same rows are drawn alike."""
    drawn: dict[object, str] = {}

    def render(inputs, *page):
        frames = {name: value for name, value in vars(inputs).items() if isinstance(value, pd.DataFrame)}
        shapes = [(name, frame.shape, int(frame.isna().sum().sum())) for name, frame in frames.items()]
        key = (*shapes, len(inputs.patterns), bool(inputs.problems), bool(page))
        if key not in drawn:
            drawn[key] = report.render(inputs, *page)
        return drawn[key]

    monkeypatch.setattr(publishing, "render", render)


def tables(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.csv")) if path.is_file()}


def commands(folder: Path, seed: int) -> list[tuple[object, ...]]:
    """All that are given a run folder; each is the first to meet the damage at every seventh seed."""
    found: list[tuple[object, ...]] = [
        ("status", folder),
        ("report", folder),
        ("checkpoints", folder / SERIES),
        ("correlate", folder),
        ("verify", folder),
        ("export", folder, "--out", folder.parent / "exported"),
        ("run", folder, "--workers", 0),
    ]
    return found[seed % 7 :] + found[: seed % 7]


def wrong_in_silence(whole: Whole, name: str, folder: Path, ended: Ended) -> list[str]:
    """Tables that are others than those of the undamaged folder though the command said nothing of it."""
    if SAID.search(ended.out + ended.err if name in ("status", "verify") else ended.err):
        return []
    exported = folder.parent / "exported"
    found = tables(folder / "tables") if name != "checkpoints" else {}
    found |= {f"exported {name}": content for name, content in tables(exported).items()}
    wrong = [name for name, content in found.items() if content != whole.tables.get(name.removeprefix("exported "))]
    if name in ("run", "report", "export"):
        wrong += [name for name in whole.tables if name not in found]
    return wrong + (["printed"] if name == "correlate" and ended.out != whole.correlation else [])


def faults_of(whole: Whole, seed: int, root: Path, *, n_commands: int) -> list[str]:
    """What is wrong with the commands' answers to one damaged folder, with what was done to it."""
    found = []
    folder = Path(shutil.copytree(whole.folder, root / str(seed) / "tiny"))
    done = damage(folder, seed)
    for command in commands(folder, seed)[:n_commands]:
        name = str(command[0])
        try:
            ended = headreuse(*command)
        except Exception as error:
            found.append(f"{seed} {name} after {done}: {type(error).__name__}: {error}")
            continue
        if ended.status not in (0, 1, 2) or "Traceback" in ended.err:
            found.append(f"{seed} {name} after {done}: status {ended.status}: {ended.err}")
        if wrong := wrong_in_silence(whole, name, folder, ended):
            found.append(f"{seed} {name} after {done}: {wrong} in silence: {ended.err}")
        shutil.rmtree(folder.parent / "exported", ignore_errors=True)
    shutil.rmtree(folder.parent)
    return found


@pytest.fixture
def copy(whole, tmp_path) -> Path:
    """A whole run folder to damage."""
    return Path(shutil.copytree(whole.folder, tmp_path / "copy"))


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_a_damaged_result_and_a_damaged_table_are_set_aside_and_made_again(whole, copy):
    result, table = sorted((copy / "measurements").rglob("head_scores-*"))[0], copy / "tables" / "overlap.csv"
    verified = headreuse("verify", copy, "--json")
    assert (verified.status, json.loads(verified.out)["whole"]) == (0, True)
    flip(result)
    flip(table)
    verified = headreuse("verify", copy, "--json")
    assert verified.status == 1
    assert [line.split(": ")[0] for line in json.loads(verified.out)["faults"][:2]] == [str(result), str(table)]
    ended = headreuse("run", copy, "--workers", 0)
    assert ended.status == 0
    assert [ended.err.count(f"{file}: damaged (") for file in (result, table)] == [1, 1]
    assert tables(copy / "tables") == whole.tables
    assert all((copy / "damaged" / file.relative_to(copy)).is_file() for file in (result, table))
    assert headreuse("verify", copy).out == f"{copy}: whole\n"


def test_damaged_weights_are_named_and_not_measured_and_their_results_stay(whole, copy):
    weights = copy / SERIES / "checkpoint-1" / "model.safetensors"
    flip(weights)
    ended = headreuse("run", copy)
    assert ended.status == 1
    assert f"{weights}: damaged (it is not what training wrote)" in ended.err
    assert tables(copy / "tables") == whole.tables
    assert "checkpoint-1: model.safetensors is damaged" in headreuse("checkpoints", copy / SERIES).err
    shutil.rmtree(copy / "measurements")
    ended = headreuse("score", copy, "--workers", 0)
    assert ended.status == 1
    assert len(re.findall(r"failed: .*checkpoint-1: model\.safetensors is damaged", ended.err)) == 1


def test_damaged_folders_are_told_in_lines_and_give_no_wrong_table_in_silence(whole, tmp_path):
    assert [line for seed in range(3) for line in faults_of(whole, seed, tmp_path, n_commands=1)] == []


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_five_hundred_damaged_folders_give_no_traceback_and_no_wrong_table_in_silence(part, whole, tmp_path):
    seeds = range(1000 + 50 * part, 1050 + 50 * part)
    assert [line for seed in seeds for line in faults_of(whole, seed, tmp_path, n_commands=7)] == []
