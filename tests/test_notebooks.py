"""The notebooks run from top to bottom and show what they say; what they keep is small and of no machine."""

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
MOST_BYTES = 400_000


def cells(name: str) -> list[dict[str, Any]]:
    return json.loads((NOTEBOOKS / f"{name}.ipynb").read_text())["cells"]


def code_cells(name: str) -> list[dict[str, Any]]:
    return [cell for cell in cells(name) if cell["cell_type"] == "code"]


@pytest.fixture
def run_cells(monkeypatch):
    """Runs a notebook beside its file, and shows what its cells end with as Jupyter would; gives its names."""
    monkeypatch.chdir(NOTEBOOKS)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(name: str) -> dict[str, Any]:
        namespace: dict[str, Any] = {}
        for cell in code_cells(name):
            tree = ast.parse("".join(cell["source"]))
            last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, name, "exec"), namespace)
            if last is not None:
                shown = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
                ways = ("_repr_svg_", "to_plotly_json", "_repr_html_", "__repr__")
                assert next(getattr(shown, way) for way in ways if hasattr(shown, way))()
        return namespace

    return run


def kept(name: str) -> list[dict[str, Any]]:
    """The outputs of a notebook by kind, as they lie in its file."""
    return [output.get("data", {}) for cell in code_cells(name) for output in cell["outputs"]]


def test_there_are_five():
    assert NAMES == ["cause", "published", "redundancy", "tour", "your_own_model"]


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_keeps_its_pictures_and_is_small(name):
    text = (NOTEBOOKS / f"{name}.ipynb").read_text()
    assert len(text.encode()) < MOST_BYTES
    assert sum("image/svg+xml" in data for data in kept(name)) >= 2
    assert not any("text/html" in data and "image/svg+xml" in data for data in kept(name)), "each picture once"


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_was_run_in_order_without_an_error_and_names_no_place_of_a_machine(name):
    code = code_cells(name)
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert not [output for cell in code for output in cell["outputs"] if output["output_type"] == "error"]
    assert not re.search(r"/tmp/|/home/|/root/|site-packages", json.dumps([cell["outputs"] for cell in code]))


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_reads_like_a_page(name):
    assert "".join(cells(name)[0]["source"]).startswith("# ")
    assert all(len("".join(cell["source"]).splitlines()) <= 30 for cell in code_cells(name))


def test_no_result_is_typed_into_the_published_claims():
    prose = "".join("".join(cell["source"]) for cell in cells("published") if cell["cell_type"] == "markdown")
    without_links = re.sub(r"\[[^]]*\]\([^)]*\)|`[^`]*`", "", prose)
    assert re.findall(r"\d", without_links) == []
    code = "\n".join("".join(cell["source"]) for cell in code_cells("published"))
    strings_and_numbers = [node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)]
    numbers = {value for value in strings_and_numbers if isinstance(value, float)}
    assert numbers == set(), "a result would be a fraction; sizes of pictures are whole numbers"


@pytest.mark.slow
def test_the_tour_trains_a_model_that_shares_heads_between_its_tasks(run_cells):
    shown = run_cells("tour")
    assert min(shown["accuracy"].values()) > 0.9
    assert shown["scores"]["copy"].effect("log_prob").max() > 0.1
    table = shown["table"].set_index(["outcome", "metric"])
    cosine = table.loc[("log_prob", "cosine")]
    assert cosine["value"] > 0.5
    # Where one head does all the work of both tasks, the value is 1 and has no interval.
    assert np.isfinite(cosine[["ci_low", "ci_high"]].astype(float)).all() or cosine["value"] > 0.999


@pytest.mark.slow
def test_your_own_model_learns_its_prompts_and_gives_overlap_over_training(run_cells):
    shown = run_cells("your_own_model")
    lines = shown["lines"].pivot(index="step", columns="what", values="value").astype(float)
    assert len(lines) == len(shown["series"]) == 9
    answered = lines[[f"{kind} answered" for kind in shown["kinds"]]]
    assert answered.iloc[-1].min() > 0.9
    assert answered.iloc[0].max() < 0.5
    assert np.isfinite(lines["overlap of active and passive"].iloc[-1])


@pytest.mark.slow
def test_redundancy_is_invisible_to_one_head_at_a_time_alone(run_cells):
    shown = run_cells("redundancy")
    for task, heads in shown["doers"].items():
        assert (shown["alone"][task].effect("exact_match") == 0).all()
        assert shown["by_subsets"][task].top(2, "exact_match") == set(heads)
    assert shown["chosen"].groupby(["task_a", "task_b", "method"]).size().eq(12).all()


@pytest.mark.slow
def test_cause_confines_tasks_and_shows_all_arms(run_cells):
    shown = run_cells("cause")
    assert shown["shared"].heads_by_task["reverse"] != shown["disjoint"].heads_by_task["reverse"]
    assert shown["values"].groupby(["family", "arm"]).size().eq(8).all()
    assert len(shown["chosen"]) == 3


@pytest.mark.slow
def test_published_reads_the_question_that_was_fixed(run_cells):
    shown = run_cells("published")
    assert set(shown["parts"]["statistic"]) >= {"step_adjusted", "aligned", "conditional", "beyond_progress"}
    assert shown["last"].groupby("group").size().min() >= 5
    assert shown["joint"]["group_a"].nunique() == len(shown["joint"]) > 3
