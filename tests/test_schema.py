"""The schema of study files, judged by jsonschema, and the file that a new study begins with.

Covers `study/schema.py` and `study/template.py`.
"""

import json
import re
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from headreuse.cli import app
from headreuse.errors import HeadreuseError
from headreuse.study import Group, Study, parse_study, read_study
from headreuse.study.measure_spec import MeasureSpec
from headreuse.study.model_spec import ModelSpec
from headreuse.study.schema import schema
from headreuse.study.source_specs import SOURCE_SPECS
from headreuse.study.task_range import TaskRange
from headreuse.study.template import template
from headreuse.study.training_spec import TrainingSpec

ROOT = Path(__file__).parent.parent
STUDIES = [*sorted((ROOT / "analyses").rglob("*.toml")), Path(__file__).parent / "small_study.toml"]


@pytest.fixture(scope="module")
def found() -> dict:
    return schema()


@pytest.fixture(scope="module")
def judge(found) -> Draft202012Validator:
    Draft202012Validator.check_schema(found)
    return Draft202012Validator(found)


def smallest(**changes) -> dict:
    group = {"name": "a", "main": {"task": "copy", "max_length": 2}}
    return {"name": "s", "groups": [group | changes]}


def test_every_study_of_the_project_is_one_by_its_schema(judge):
    for path in STUDIES:
        assert list(judge.iter_errors(tomllib.loads(path.read_text()))) == [], path


@pytest.mark.parametrize(
    "changes",
    [
        {"maim": {"task": "copy"}},
        {"kind": "relatd"},
        {"positions": ["rope", "roped"]},
        {"arms": "joint"},
        {"heads": "disjoined"},
        {"overlap": 1.5},
        {"lengths": [[8, 16, 24]]},
        {"training": {"steps": "many"}},
        {"training": {"checkpoints": {"at": [0]}}},
        {"model": {"position": "ropes"}},
        {"series": {"folders": "out"}},
    ],
)
def test_a_mistake_is_one_by_the_schema_too(judge, changes):
    assert not list(judge.iter_errors(smallest()))
    assert list(judge.iter_errors(smallest(**changes)))


@pytest.mark.parametrize(
    "changes",
    [
        {"series": "out"},
        {"series": ["a", "b"]},
        {"series": {"folder": ["a", "b"]}},
        {"start": {"hub": "owner/name"}},
        {"main": {"prompts": "names.jsonl"}},
        {"heads": {"main": [0, 1], "copy": [2]}},
        {"overlap": [0, 0.5]},
        {"lengths": {"main": [4, 8], "auxiliary": [8, 16]}},
    ],
)
def test_what_a_study_file_can_say_shortly_is_none(judge, changes):
    assert not list(judge.iter_errors(smallest(**changes)))


def test_every_key_that_a_study_file_can_have_is_in_the_schema_with_what_it_means(found):
    parts = found["$defs"]
    assert set(found["properties"]) == set(Study.known_keys()) - {"prompts"}
    assert set(parts["Group"]["properties"]) == set(Group.known_keys()) >= {*SOURCE_SPECS, "arms", "heads", "lengths"}
    for cls in (MeasureSpec, ModelSpec, TaskRange, TrainingSpec):
        assert set(parts[cls.__name__]["properties"]) == set(cls.known_keys())
    assert parts["TrainingSpec"]["properties"]["curriculum"]["description"].startswith("Fraction of the steps")
    assert not re.search(r'"title": "(Steps|Name)"', str(found))


def test_a_new_study_is_one_and_so_is_every_comment_made_a_line_of_it(tmp_path, judge):
    text = template("mine")
    (tmp_path / "mine.toml").write_text(text)
    study = read_study(tmp_path / "mine.toml")
    assert (study.name, len(study.groups)) == ("mine", 2)
    lines = text.splitlines()
    commented = [place for place, line in enumerate(lines) if re.match(r"# [a-z_]+ = ", line)]
    assert len(commented) > 15
    for place in commented:
        if lines[place].startswith(("# tasks", "# transfer", "# series", "# overlap", "# method", "# transfer")):
            continue
        changed = [*lines[:place], lines[place].removeprefix("# "), *lines[place + 1 :]]
        raw = tomllib.loads("\n".join(changed))
        assert parse_study(raw, "mine") != study, lines[place]
        assert not list(judge.iter_errors(raw))
    question = text.replace("# [primary]", "[primary]")
    for key in ("overlap", "method", "transfer"):
        question = re.sub(rf'# {key} = "([a-z]+)"$', rf'{key} = "\1"', question, flags=re.MULTILINE)
    assert parse_study(tomllib.loads(question), "mine").primary.method == "banzhaf"


def test_the_commands_print_the_schema_and_write_no_file_over_another(tmp_path, monkeypatch, found):
    monkeypatch.chdir(tmp_path)
    command = CliRunner()
    assert json.loads(command.invoke(app, ["schema"]).stdout) == found
    assert command.invoke(app, ["new", "mine"]).stdout == "mine.toml\n"
    assert Path("mine.toml").read_text() == template("mine")
    Path("mine.toml").write_text("changed")
    again = command.invoke(app, ["new", "mine"])
    assert str(again.exception) == "mine.toml is there already; give another name"
    assert Path("mine.toml").read_text() == "changed"


def test_a_name_that_can_be_no_folder_is_refused():
    with pytest.raises(HeadreuseError, match="'a/b' is no name; give letters"):
        template("a/b")
