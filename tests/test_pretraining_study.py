"""The published experiment on pretrained models, tiny: from revisions on a Hub to the report, by pretraining step."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from command_line import headreuse
from hub_server import HubServer
from texts import merging, wrapped
from transformers import LlamaConfig, LlamaForCausalLM

from headreuse.models.checkpoints import fingerprint_of
from headreuse.prompts.foreign import Foreign
from headreuse.records import Checkpoint
from headreuse.store.folder import RunFolder
from headreuse.store.notes import read_note
from headreuse.study import parse_study
from headreuse.training.tuning import Tuning, tune

pytestmark = pytest.mark.slow

REPO = "lab/tiny-checkpoints"
STEPS = (1000, 10_000, 100_000)
SHAPE = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
TASKS = """
main = { task = "copy", max_length = 2, template = "{task}: {prompt}" }
auxiliary = [{ task = "reverse", max_length = 4, template = "{task}: {prompt}" }]
start = { hub = "lab/tiny-checkpoints", revisions = { log_spaced = 3 } }
"""
STUDY = f"""
name = "tiny_pretraining"
alphabet_size = 6
seeds = [0, 1]
training = {{ steps = 40, batch_size = 32, learning_rate = 1e-3, micro_batch = 16, checkpoints = {{ every = 20 }} }}
measures = {{ n_examples = 32, n_score_examples = 32, beyond = 1, functional_sets = 2 }}
[[groups]]
name = "copy"
arms = ["joint", "zero_shot"]
{TASKS}
[[groups]]
name = "by_low_rank"
training = {{ steps = 4, lora = {{ rank = 4 }} }}
{TASKS}
"""


def pretrained(root: Path) -> Mapping[int, Path]:
    """One model as it was at three steps: random, and after so many batches of text in which both tasks are solved."""
    torch.manual_seed(0)
    first = root / "checkpoint-0"
    tokens = {"vocab_size": 400, "bos_token_id": 1, "eos_token_id": 2}
    LlamaForCausalLM(LlamaConfig(num_key_value_heads=2, **SHAPE, **tokens)).save_pretrained(first)
    wrapped(merging()).save_pretrained(first)
    tasks = [{"task": name, "max_length": 5, "template": "{task}: {prompt}"} for name in ("copy", "reverse")]
    group = {"name": "text", "start": {"folder": ["-"]}, "main": tasks[0], "auxiliary": tasks[1:]}
    training = {"steps": 150, "batch_size": 32, "learning_rate": 3e-3}
    study = parse_study({"name": "text", "alphabet_size": 6, "groups": [group], "training": training}, "text")
    found = {STEPS[0]: first}
    for step in STEPS[1:]:
        start = Checkpoint(list(found.values())[-1], step, fingerprint_of(list(found.values())[-1]))
        encoder = replace(Foreign.read(first), ends=True)
        tuning = Tuning(study, study.groups[0], step, start, encoder, root)
        tune(tuning, on_step=lambda step, loss: None)
        found[step] = tuning.place
    return found


@pytest.fixture
def commits(hub_server: HubServer, tmp_path: Path) -> dict[int, str]:
    """The commit of each step in a repository of three revisions."""
    found = {}
    for step, folder in pretrained(tmp_path / "made").items():
        (folder / "headreuse.json").unlink(missing_ok=True)
        found[step] = hub_server.add(REPO, f"step-{step}", folder)
    return found


def by_step(table: pd.DataFrame, group: str, column: str) -> list[float]:
    """Means over seeds."""
    return table[table["group"] == group].groupby("step")[column].mean().tolist()


def test_from_revisions_on_a_hub_to_overlap_and_transfer_by_pretraining_step(commits, hub_server, tmp_path):
    file, root = tmp_path / "study.toml", tmp_path / "run"
    file.write_text(STUDY)
    status, out, err = headreuse("run", file, "--out", root, "--workers", 0)
    assert (status, out.strip()) == (0, str(root / "report.html")), err
    notes = [read_note(file.parent) for file in root.glob("checkpoints/*/*/*/headreuse.json")]
    assert len(notes) == 2 * 2 * 3
    assert all(note.start == commits[note.step] for note in notes)
    tables = {name: pd.read_csv(root / "tables" / f"{name}.csv") for name in ("accuracy", "transfer", "overlap")}
    tuned = {(group, seed) for group in ("copy", "by_low_rank") for seed in ("0", "1")}
    for name, table in tables.items():
        runs = set(zip(table["group"], table["seed"].astype(str), strict=True))
        assert runs == tuned | {("copy-zero_shot", "tiny-checkpoints")}, name
        assert set(table["step"]) == set(STEPS), name
    for regime, last in (("accuracy_in_distribution", 0.8), ("accuracy_transfer", 0.2)):
        after = by_step(tables["transfer"], "copy", regime)
        assert after[0] < 0.05 < after[1] < after[2], "extrapolation rises with the pretraining step"
        assert after[2] > last
    assert by_step(tables["transfer"], "copy-zero_shot", "accuracy_in_distribution")[0] == 0
    assert tables["transfer"]["gap"].notna().all()
    cosine = tables["overlap"][(tables["overlap"]["metric"] == "cosine") & tables["overlap"]["usable"]]
    assert cosine[cosine["group"] == "copy"]["value"].notna().sum() >= 2
    assert not list(root.rglob(".tuning")), "nothing is left of what was under way"
    assert RunFolder.open(root).errors() == []
    _goes_on_without_a_hub(hub_server, file, root)


def _goes_on_without_a_hub(hub_server: HubServer, file: Path, root: Path) -> None:
    hub_server.stop()
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.suffix in (".safetensors", ".parquet")}
    status, _, err = headreuse("run", file, "--out", root, "--workers", 0)
    assert status == 0, err
    assert before == {path: path.stat().st_mtime_ns for path in before}
