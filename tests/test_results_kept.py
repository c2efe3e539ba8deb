"""Results of fixed models are what they were: whoever changes them raises the version that stands in their key.

Covers the versions in `measurements/base.py` and `tables/base.py`. Where a change of results is meant, raise the
version of the measurement or table and write the new numbers down: `python tests/test_results_kept.py`.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from headreuse.measurements.base import MEASUREMENTS
from headreuse.models.architectures import build_model
from headreuse.models.checkpoints import note_whole
from headreuse.models.tokenizer import build_tokenizer
from headreuse.prompts import Vocabulary
from headreuse.store.folder import RunFolder
from headreuse.study import parse_study
from headreuse.tables.base import TABLES
from headreuse.tables.make import compute_tables
from headreuse.tables.results import Results
from headreuse.work.engines import run_here
from headreuse.work.progress import progress
from headreuse.work.schedule import work
from headreuse.work.shards import Shard

KEPT = Path(__file__).with_name("results_kept.json")
STUDY = {
    "name": "kept",
    "seeds": [0, 1],
    "alphabet_size": 2,
    "model": {"n_layers": 2, "n_heads": 2, "d_model": 16},
    "training": {"steps": 2, "checkpoints": {"at": [1]}},
    "measures": {"n_examples": 16, "n_score_examples": 16, "beyond": 0, "baseline_floor": 0.0, "functional_sets": 20}
    | {"ablation_by_length": True},
    "groups": [
        {
            "name": "g",
            "main": {"task": "copy", "max_length": 1},
            "auxiliary": [{"task": "reverse", "max_length": 2}],
        }
    ],
}
LONGER = [{"name": "g", "main": {"task": "copy", "max_length": 3}, "auxiliary": [{"task": "reverse", "max_length": 4}]}]
OF_SUBSETS = STUDY | {"groups": LONGER} | {"seeds": [0], "measures": STUDY["measures"] | {"ablation_by_length": False}}
OF_SUBSETS["measures"] |= {"methods": ["banzhaf", "shapley"], "ablated_share": 0.4, "subsets": 40}
OF_SUBSETS["model"] = {"n_layers": 3, "n_heads": 2, "d_model": 16}
"""What only a study has that values heads over subsets of heads."""


def measured_folder(root: Path, raw: dict = STUDY) -> RunFolder:
    """A run folder of models whose weights numpy drew, which all versions of it draw alike; measured."""
    study = parse_study(raw, "kept")
    folder = RunFolder.create(root, study, "test")
    vocabulary = Vocabulary.of([study.task(name) for name in ("copy", "reverse")])
    for seed in study.seeds:
        for step in (1, 2):
            path = folder.series_folder("g", seed) / f"checkpoint-{step}"
            model = build_model(study.model, vocab_size=len(vocabulary), max_positions=32, seed=0)
            generator = np.random.default_rng([seed, step])
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.copy_(torch.as_tensor(generator.normal(size=tuple(parameter.shape)) / 2))
            model.save_pretrained(path)
            build_tokenizer(vocabulary).save_pretrained(path)
            note_whole(path, "g", seed, step)
    problems = work(folder, progress(folder), run_here, shard=Shard(1, 1), train=False, measure=True)
    assert problems == []
    return folder


def numbers(frame: pd.DataFrame) -> dict[str, list[float]]:
    """Of each column of numbers: how many are finite, their mean and their mean square."""
    found = {}
    for name in frame.select_dtypes("number"):
        values = frame[name].to_numpy(dtype=float)
        finite = values[np.isfinite(values)]
        mean, square = (float(np.mean(part)) if len(part) else 0.0 for part in (finite, finite**2))
        found[name] = [len(finite), float(f"{mean:.6g}"), float(f"{square:.6g}")]
    return found


def frames_of(folder: RunFolder) -> dict[str, pd.DataFrame]:
    """All results of each kind."""
    units = [unit for entry in progress(folder) for unit in entry.done]
    kinds = {unit.kind for unit in units}
    return {
        kind: pd.concat([folder.units.read(unit) for unit in units if unit.kind == kind], ignore_index=True)
        for kind in kinds
    }


def results(root: Path) -> dict[str, dict]:
    """Version and numbers of every measurement and table, and of head scores over subsets."""
    folder, of_subsets = measured_folder(root / "run"), measured_folder(root / "of_subsets", OF_SUBSETS)
    subset_frames = frames_of(of_subsets)
    frames = subset_frames | frames_of(folder)
    tables = compute_tables(Results(folder)) | {"synergy": compute_tables(Results(of_subsets))["synergy"]}
    versions = {kind: entry.versions for kind, entry in MEASUREMENTS.items()}
    kept = {kind: {"version": version, "numbers": numbers(frames[kind])} for kind, version in versions.items()}
    over_subsets = {"version": versions["head_scores"], "numbers": numbers(subset_frames["head_scores"])}
    return {
        "measurements": kept,
        "of_subsets": {"head_scores": over_subsets},
        "tables": {name: {"version": TABLES[name].version, "numbers": numbers(tables[name])} for name in TABLES},
    }


def difference(name: str, kept: dict, found: dict) -> str:
    """Why these results are not those that were kept; empty where they are."""
    again = f"write the new numbers down: python tests/{Path(__file__).name}"
    if found["version"] != kept["version"]:
        return f"{name} has version {found['version']}; {again}"
    if found["numbers"].keys() != kept["numbers"].keys():
        return f"{name} has other columns; raise its version, then {again}"
    for column, values in found["numbers"].items():
        if values != pytest.approx(kept["numbers"][column], rel=1e-3, abs=1e-5):
            return f"{name} gives other results in {column!r} than before; raise its version, then {again}"
    return ""


def test_results_of_one_version_are_the_same(tmp_path):
    kept, found = json.loads(KEPT.read_text()), results(tmp_path)
    assert {part: entries.keys() for part, entries in found.items()} == {p: e.keys() for p, e in kept.items()}
    pairs = [(name, kept[part][name], entry) for part, entries in found.items() for name, entry in entries.items()]
    assert [line for pair in pairs if (line := difference(*pair))] == []


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        KEPT.write_text(json.dumps(results(Path(folder)), indent=1) + "\n")
