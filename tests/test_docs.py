"""The reference: its examples do what they say, its pages are made, and a link that leads nowhere is found."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from invented import report_inputs
from planting import plant

from headreuse.models.checkpoints import load_model
from headreuse.overlap import OVERLAP_METRICS
from headreuse.prompts import Vocabulary, make_prompts
from headreuse.records import Head
from headreuse.scores import SCORES
from headreuse.sources import runs_of
from headreuse.store.folder import RunFolder
from headreuse.study import (
    CheckpointSchedule,
    Group,
    MeasureSpec,
    ModelSpec,
    Study,
    TaskRange,
    TrainingSpec,
    parse_study,
    read_study,
)
from headreuse.study.source_specs import SOURCE_SPECS
from headreuse.tables.base import TABLES
from headreuse.tasks import TASKS

ROOT = Path(__file__).parent.parent
MAKE = "notebooks/reference/make.py"
EXTENDING = (ROOT / "notebooks/reference/extending.md").read_text()


def example(heading: str, given=None) -> dict:
    """What the code of a section defines; of several blocks one after the other."""
    (section,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", EXTENDING, re.DOTALL | re.MULTILINE)
    namespace = dict(given or {})
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(block, namespace)
    return namespace


def test_every_section_with_code_is_run_here():
    with_code = re.findall(r"^## ([^\n]*)\n(?:(?!^## ).)*?```python", EXTENDING, re.DOTALL | re.MULTILINE)
    assert with_code == ["A task", "A score", "An overlap metric", "A table", "A figure", "A source of checkpoints"]


def test_the_example_of_a_task_makes_examples_that_its_oracle_answers(generator):
    with TASKS.apart():
        task = example("A task")["First"]()
    examples = task.generate(generator.integers(1, 6, size=50), generator)
    for prompt, answer in [(examples.prompt, examples.answer), (examples.corrupted_prompt, examples.corrupted_answer)]:
        assert [task.answer(task.text(row)) for row in prompt] == [task.text(row) for row in answer]
    assert (examples.answer != examples.corrupted_answer).all()
    vocabulary = Vocabulary.of([task])
    assert len(make_prompts(task, np.full(4, 3), generator, vocabulary)) == 4


def test_the_example_of_a_score_scores_every_head(generator):
    planted = plant({"A": (Head(0, 1), Head(0, 1), Head(1, 2))}, n_layers=2, n_heads=4)
    with SCORES.apart():
        doubled = example("A score")["doubled"]
        scores = SCORES["doubled"](planted.model, planted.prompts("A", 12, generator))
    assert doubled.__doc__
    effects = scores.effect("log_prob")
    assert effects.shape == (2, 4)
    moved = np.argwhere(np.abs(effects) > 1e-6).tolist()
    assert moved == [[0, 1], [1, 2]], "the heads that write anything"
    assert (effects[[0, 1], [1, 2]] < 0).all(), "twice as much of the right answer is surer"


def test_the_example_of_a_metric_by_hand():
    with OVERLAP_METRICS.apart():
        example("An overlap metric")
        metric = OVERLAP_METRICS["same_sign"]
    a, b = np.array([[1.0, -2.0], [0.0, 3.0]]), np.array([[0.5, 1.0], [0.0, 4.0]])
    assert metric(a[None], b[None]).tolist() == [0.75]
    assert metric.summary.startswith("The share of heads")


def test_the_example_of_a_table_gives_the_columns_that_it_explains(inputs):
    with TABLES.apart():
        example("A table")
        table = TABLES["best_gaps"]
        found = table.derive({"transfer": inputs.transfer}, None)
    assert list(found.columns) == list(table.columns)
    first = inputs.transfer[inputs.transfer["group"] == found["group"][0]]
    assert found["best_gap"][0] == first["gap"].min()
    assert found["seeds"][0] == first["seed"].nunique()


def test_the_example_of_a_figure_is_an_exhibit_of_each_group(inputs):
    section = example("A figure")["section"]
    exhibits = list(section.build(inputs))
    assert [exhibit.title for exhibit in exhibits] == [group.name for group in inputs.study.groups]
    rows = inputs.of_group("head_scores", inputs.study.groups[0])
    largest = rows[rows["outcome"] == "log_prob"].groupby("task")["effect"].max()
    main = inputs.study.groups[0].main.task
    assert exhibits[0].figure.data[0].y[0] == largest[main]


def test_the_example_of_a_source_lists_folders_by_their_steps(tmp_path):
    model = plant({"A": (Head(0, 1),)}, n_layers=1, n_heads=2).model
    for step in (900, 1000):
        model.save_pretrained(tmp_path / "mine" / f"{step:04}")
    (tmp_path / "mine" / "notes").mkdir()
    with SOURCE_SPECS.apart():
        example("A source of checkpoints")
        group = {
            "name": "given",
            "main": {"task": "copy", "max_length": 2},
            "auxiliary": [{"task": "reverse", "max_length": 3}],
            "numbered": {"folder": str(tmp_path / "mine")},
        }
        study = parse_study({"name": "s", "groups": [group]}, "study.toml")
        (run,) = runs_of(RunFolder.create(tmp_path / "run", study, "run"))
        assert (run.label, run.missing) == ("mine", ())
        assert [checkpoint.step for checkpoint in run.checkpoints] == [900, 1000]
        with run.source.ready(run, run.checkpoints[0]) as checkpoint:
            assert load_model(checkpoint.path).config.vocab_size == model.config.vocab_size


@pytest.fixture(scope="module")
def inputs():
    return report_inputs(n_checkpoints=2)


@pytest.fixture
def docs_path(monkeypatch):
    monkeypatch.syspath_prepend(str((ROOT / MAKE).parent))
    yield
    for name in ("links", "pages", "columns", "settings"):
        sys.modules.pop(name, None)


def test_a_link_that_leads_nowhere_is_found(docs_path, tmp_path):
    from links import broken_links

    (tmp_path / "a.html").write_text('<h1 id="top">x</h1><a href="b.html#there">b</a><a href="https://x.y/z">z</a>')
    (tmp_path / "b.html").write_text('<p id="there"></p><a href="a.html#top">a</a><a href="#there">own</a>')
    assert list(broken_links(tmp_path)) == []
    (tmp_path / "b.html").write_text('<a href="a.html#gone">a</a><a href="c.html">c</a><img src="d.png">')
    assert sorted(broken_links(tmp_path)) == [
        "a.html: b.html#there: no such place in that page",
        "b.html: a.html#gone: no such place in that page",
        "b.html: c.html: no such file",
        "b.html: d.png: no such file",
    ]


def test_the_page_of_columns_has_every_table_and_column(docs_path):
    pytest.importorskip("pygments")
    from columns import columns_page

    page = columns_page()
    for name, table in TABLES.items():
        assert f"\n## {name}\n" in page
        for column, meaning in table.columns.items():
            assert f"| `{column}` | {meaning.replace('|', '/')} |" in page


STUDIES = (ROOT / "notebooks/reference/studies.md").read_text()
PIECES = re.findall(r"```toml\n(.*?)```", STUDIES, re.DOTALL)


@pytest.mark.parametrize("piece", PIECES, ids=lambda piece: piece.split()[0])
def test_every_piece_on_the_page_of_study_files_is_part_of_one(piece, tmp_path):
    (tmp_path / "mine.csv").write_text("seed,step,transfer\n0,100,0.5\n")
    main = 'name = "capitalize_reverse"\nmain = { task = "copy", max_length = 2 }'
    auxiliary = 'auxiliary = [{ task = "reverse", max_length = 3 }]'
    group = "" if "[[groups]]" in piece else f"[[groups]]\n{main}\n{auxiliary}\n"
    methods = "" if "[measures]" in piece else '[measures]\nmethods = ["mean_ablation", "banzhaf"]\n'
    (tmp_path / "study.toml").write_text(f'name = "s"\n{piece}\n{group}{methods}')
    study = read_study(tmp_path / "study.toml")
    asked = tomllib.loads(piece)
    several = {group["name"]: group.get("arms", group.get("heads", [""])) for group in asked.get("groups", ())}
    n_auxiliaries = {group["name"]: len(group["auxiliary"]) for group in asked.get("groups", ())}
    for name, parts in several.items():
        n = sum(n_auxiliaries[name] if part == "each" else 1 for part in parts)
        assert len([group for group in study.groups if group.name.startswith(name)]) == n
    for part in {"training", "measures"} & asked.keys():
        assert getattr(study, part).model_dump(exclude_unset=True).keys() == asked[part].keys()


def test_the_page_of_study_files_has_every_key_with_what_it_is(docs_path):
    from settings import settings_tables

    page = settings_tables()
    found = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", page, re.MULTILINE)
    assert [key for key, *_, about in found if not about] == [], "say what these are"
    rows = {key: row for key, *row in found}
    parts = (Study, Group, TaskRange, ModelSpec, TrainingSpec, CheckpointSchedule, MeasureSpec)
    assert {key for part in parts for key in part.known_keys()} <= rows.keys()
    assert rows["steps"][:2] == ["whole number from 1", "`3000`"]
    assert rows["warmup"][:2] == ["number from 0 to 1", "`0.1`"]
    assert rows["kind"][:2] == ["`related`, `control`, `alone`", "`related`"]
    assert rows["report_to"][0] == "list of: `tensorboard`, `wandb`"
    assert rows["hub"][0] == "text or list of: text"
    assert "None" not in page


def test_headings_are_named_and_links_led_as_asked(docs_path):
    pytest.importorskip("pygments")
    from pages import from_markdown

    text = "# One `x`\n\n## A b\n\n## A b\n\n[t](u.md#v) <script>\n\n```python\nx = 1\n```\n\n| a |\n|---|\n| b |\n"
    found = from_markdown(text, lambda link: f"to/{link}")
    for part in ('id="one-x"', 'id="a-b"', 'id="a-b-1"', 'href="to/u.md#v"', '<span class="n">x</span>', "<td>b</td>"):
        assert part in found


@pytest.mark.slow
def test_the_site_is_made_without_a_warning(tmp_path):
    pytest.importorskip("pdoc", reason="needs the extra `docs`")
    root = tmp_path / "clone"
    ignored = shutil.ignore_patterns(".venv*", ".git", "runs", "site", "__pycache__")
    shutil.copytree(ROOT, root, ignore=ignored)
    done = subprocess.run([sys.executable, root / MAKE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (root / "site/api/headreuse/records.html").is_file()
    (root / "README.md").write_text((root / "README.md").read_text() + "\n[gone](notebooks/gone.md)\n")
    done = subprocess.run([sys.executable, root / MAKE], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "README.md: notebooks/gone.md: no such file" in done.stderr
