"""The house: the README's tree is true and the order of imports, torch stays in its rooms, every module has its tests.

Covers `__init__.py`, `__main__.py` and `cli.py`, whose commands `test_end_to_end.py` runs.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "headreuse"
TESTS = ROOT / "tests"
ENTRY = re.compile(r"^  (\w+)(\.py|/) +(\S.*)$", re.MULTILINE)


def tree() -> list[str]:
    """Modules and sub-packages in the order of the README's tree."""
    block = (ROOT / "README.md").read_text().split("```\nheadreuse/\n")[1].split("```")[0]
    return [name for name, _, _ in ENTRY.findall(block)]


def modules() -> set[str]:
    files = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    return files | {path.parent.name for path in PACKAGE.glob("*/__init__.py")}


def imports(path: Path) -> set[str]:
    """First-level modules of this package that a file imports, wherever in it and however."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    ours = {name.split(".")[1] for name in found if name.startswith("headreuse.")}
    return ours & modules()


def files_of(module: str) -> list[Path]:
    file = PACKAGE / f"{module}.py"
    return [file] if file.exists() else sorted((PACKAGE / module).rglob("*.py"))


def test_readme_tree_names_every_module_once():
    assert sorted(tree()) == sorted(modules())
    for name, kind, _ in ENTRY.findall((ROOT / "README.md").read_text()):
        assert (PACKAGE / f"{name}{kind}").exists(), f"the README has {name}{kind}"


@pytest.mark.parametrize("module", tree())
def test_a_module_imports_only_from_rows_above_it(module):
    above = set(tree()[: tree().index(module)]) | {module}
    for path in files_of(module):
        below = imports(path) - above
        assert not below, (
            f"{path.relative_to(ROOT)} imports {sorted(below)}, which the README's tree has below {module}"
        )


def test_an_import_of_a_row_below_would_be_seen(tmp_path):
    offender = tmp_path / "offender.py"
    offender.write_text("def f():\n    from headreuse.cli import main\n    return main\n")
    assert imports(offender) == {"cli"}


def test_the_house_has_few_rooms_and_its_tree_fits_on_one_screen():
    names = {path.name for path in PACKAGE.iterdir()} - {"__pycache__", "__init__.py", "__main__.py", "py.typed"}
    assert len(names) <= 24
    assert len(tree()) <= 24
    assert all(about.strip() for _, _, about in ENTRY.findall((ROOT / "README.md").read_text()))


TORCH = {"torch", "transformers", "transformer_lens", "safetensors", "accelerate"}
NEEDS_TORCH = ("models", "evaluation", "attention", "training", "interventions", "scores")
"""The rooms between which the torch line runs; of training, `torchrun.py` needs none."""


@pytest.mark.parametrize("module", [module for module in tree() if module not in NEEDS_TORCH])
def test_torch_is_imported_in_its_rooms_alone(module):
    """Elsewhere only inside functions that a worker calls."""
    for path in files_of(module):
        top = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
        found = {alias.name for node in top if isinstance(node, ast.Import) for alias in node.names}
        found |= {str(node.module) for node in top if isinstance(node, ast.ImportFrom)}
        heavy = {name for name in found if name.split(".")[0] in TORCH}
        heavy |= {name for name in found for room in NEEDS_TORCH if name.startswith(f"headreuse.{room}")}
        assert heavy <= {"headreuse.training.torchrun"}, f"{path.relative_to(ROOT)} imports {sorted(heavy)}"


LOADED = [
    ("import headreuse.cli", TORCH | {"pandas", "scipy", "plotly", "numpy"}),
    ("from headreuse.study import read_study; read_study(Path('../analyses/demo.toml'))", TORCH),
    ("import headreuse.report.publishing, headreuse.sources, headreuse.tables.join", TORCH),
    (
        "from headreuse.tables.base import TABLES; from headreuse.measurements.base import MEASUREMENTS; "
        "list(TABLES), list(MEASUREMENTS)",
        TORCH,
    ),
    (
        "from invented import report_inputs; from headreuse.report import correlation_page, markdown, render; "
        "inputs = report_inputs(n_checkpoints=2); page = correlation_page(inputs); "
        "render(inputs, page); markdown(inputs, page, all_rows='x')",
        TORCH,
    ),
]
"""What is done one after the other in a fresh process, and what may not be loaded then: help and lists are quick, and
a report is made without torch."""


def test_nothing_beside_those_rooms_loads_torch_and_help_loads_no_heavy_library():
    steps = [f"{statement}; print(sorted({heavy} & set(sys.modules)))" for statement, heavy in LOADED]
    check = "\n".join(["import sys; from pathlib import Path", *steps])
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, cwd=TESTS)
    assert done.stdout.splitlines() == ["[]"] * len(LOADED)


def has_code(file: Path) -> bool:
    """Whether a module does more than import and export names."""
    kinds = (ast.Import, ast.ImportFrom, ast.Assign, ast.Expr)
    return not all(isinstance(node, kinds) for node in ast.parse(file.read_text()).body)


def modules_without_tests(docstrings: str) -> list[str]:
    """Modules that neither a test file's name nor a test file's docstring names."""
    files = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
    return [
        file
        for file in files
        if not (TESTS / f"test_{Path(file).stem.strip('_')}.py").exists()
        and f"`{file}`" not in docstrings
        and has_code(PACKAGE / file)
    ]


def test_every_module_has_its_tests():
    docstrings = "".join(ast.get_docstring(ast.parse(path.read_text())) or "" for path in TESTS.glob("test_*.py"))
    assert modules_without_tests(docstrings) == []
    assert "store/units.py" in modules_without_tests("")


WRITES = {"write_text", "write_bytes", "touch", "to_csv", "to_json", "to_parquet", "to_netcdf"}
WRITES |= {"savefig", "save_pretrained", "write_html", "write_image", "savez", "savez_compressed"}


def files_written_beside(source: str) -> list[str]:
    """Calls that write a file and are given no draft of `store/writing.py` for it."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name)):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        owner = getattr(node.func, "value", None)
        values = [*node.args, *(keyword.value for keyword in node.keywords)]
        texts = [value.value for value in values if isinstance(value, ast.Constant) and isinstance(value.value, str)]
        is_open = name == "open" and any(re.fullmatch(r"[rbt+]*[wax+][rbt+]*", text) for text in texts)
        to_a_file = (name in WRITES or ast.unparse(node.func) == "pq.write_table") and (
            isinstance(owner, ast.expr) and not (name.startswith("to_") and not node.args)
        )
        into_a_draft = any(isinstance(part, ast.Name) and part.id == "draft" for part in [owner, *values])
        if (is_open or to_a_file) and not into_a_draft:
            found.append(ast.unparse(node))
    return found


def test_every_file_is_written_by_the_helper_that_names_it_in_errors():
    files = set(PACKAGE.rglob("*.py")) - {PACKAGE / "store" / "writing.py", PACKAGE / "command" / "ending.py"}
    assert {file.name: found for file in sorted(files) if (found := files_written_beside(file.read_text()))} == {}


@pytest.mark.parametrize(
    "statement",
    ["path.write_text(x)", "open(path, 'w')", "path.open(mode='ab')", "table.to_csv(path)", "pq.write_table(t, path)"],
)
def test_a_file_that_is_written_beside_it_would_be_seen(statement):
    assert files_written_beside(f"def f():\n    {statement}") == [statement]
    assert files_written_beside("draft.write_text(x); table.to_csv(draft); table.to_csv(index=False); open(path)") == []
