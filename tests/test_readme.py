"""The README's Python passes a type checker as a user would write it.

Run by `make lint`, after mypy has filled its cache.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
GIVEN = """# mypy: allow-untyped-defs
from transformers import PreTrainedModel
from transformer_lens.model_bridge import TransformerBridge
from headreuse.records import Prompts

model: PreTrainedModel
bridge: TransformerBridge
prompts: Prompts
"""
"""What the README takes for granted; a user's functions need no annotations."""
WRONG = """
from headreuse.scores import mean_ablation
mean_ablation("a path", prompts)
mean_ablation(model, prompts, positions="pooled")
mean_ablation(model, prompts).effect(3)
"""
RIGHT = """
from headreuse.scores import mean_ablation, resample_ablation, zero_ablation
for score in (mean_ablation, resample_ablation, zero_ablation):
    score(bridge, prompts).effect("log_prob").argmax()
"""


def complaints(code: str, folder: Path) -> list[str]:
    """What mypy says of a file with this code."""
    (folder / "user.py").write_text(GIVEN + code)
    command = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", str(folder / "user.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode in (0, 1), done.stderr
    return [line for line in done.stdout.splitlines() if "user.py" in line and ": error:" in line]


@pytest.mark.types
@pytest.mark.parametrize("code", [*BLOCKS, RIGHT])
def test_what_the_readme_shows_passes_mypy(code, tmp_path):
    assert complaints(code, tmp_path) == []


@pytest.mark.types
def test_a_wrong_call_would_be_seen(tmp_path):
    assert len(complaints(WRONG, tmp_path)) == 3


def test_the_readme_shows_a_score_and_a_task():
    assert len(BLOCKS) >= 2
    assert "from headreuse.scores import mean_ablation" in BLOCKS[0]


@pytest.fixture
def as_a_user(request, tmp_path, monkeypatch) -> Path:
    """A folder with two files of prompts and two series of three checkpoints, as the README takes for granted."""
    # Needs torch, which the type checker's tests do not.
    from readme_series import N_PROMPTS, made

    monkeypatch.chdir(tmp_path)
    made(tmp_path, getattr(request, "param", N_PROMPTS))
    return tmp_path


def block(kind: str, begins: str) -> str:
    found = re.findall(rf"```{kind}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (code,) = [code for code in found if code.startswith(begins)]
    assert len(code.strip().splitlines()) <= 10
    return code


@pytest.mark.parametrize("as_a_user", [8], indirect=True)
def test_the_readme_s_python_compares_two_files_of_prompts_at_every_checkpoint(as_a_user, capsys):
    exec(block("python", "import headreuse\n"), {})
    told = capsys.readouterr().out
    assert [line for line in told.splitlines() if "(step " in line] == [
        f"{run}/checkpoint-{step} (step {step:,})" for run in ("gpt2_run", "llama_run") for step in (10, 100, 1000)
    ]
    assert told.count("cosine") == 6 * 4, "every outcome"


@pytest.mark.slow
def test_the_readme_s_study_of_given_checkpoints_ends_with_a_report_that_says_what_was_measured(as_a_user):
    (as_a_user / "names.toml").write_text(block("toml", 'name = "names"'))
    command = [sys.executable, "-m", "headreuse", "run", "names.toml", "--workers", "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=as_a_user, check=False)
    assert done.returncode == 0, done.stderr
    page = (as_a_user / "runs/names/report.html").read_text()
    assert "names with colours" in page
