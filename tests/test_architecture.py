"""The README's tree of modules is true, and it is the order in which modules may import each other."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "headreuse"
ENTRY = re.compile(r"^  (\w+)(\.py|/) +(\S.*)$", re.MULTILINE)


def tree() -> list[str]:
    """Modules and sub-packages in the order of the README's tree."""
    block = (ROOT / "README.md").read_text().split("```\nheadreuse/\n")[1].split("```")[0]
    return [name for name, _, _ in ENTRY.findall(block)]


def modules() -> set[str]:
    files = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__"}
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


@pytest.mark.parametrize(
    "statement", ["import headreuse.overlap, headreuse.correlation, headreuse.report", "import headreuse.cli"]
)
def test_nothing_right_of_the_torch_line_loads_torch(statement):
    check = (
        f"import sys; {statement}; print(sorted({{'torch', 'transformers', 'transformer_lens'}} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_loads_no_heavy_library():
    heavy = "{'pandas', 'scipy', 'plotly', 'numpy', 'torch'}"
    check = f"import sys, headreuse.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
