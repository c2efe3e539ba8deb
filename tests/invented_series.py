"""Invented tables of a study of given checkpoints and prompts without lengths, for tests of figures and report."""

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from headreuse.correlation import correlation_table
from headreuse.figures import RunPattern
from headreuse.records import MeanPattern
from headreuse.report import ReportInputs
from headreuse.study import Study, parse_study
from headreuse.tables.clocks import clocks_table
from headreuse.tables.transfer import transfer_table, with_measured

MAIN, OTHER = "indirect_object", "coloured_objects"
STEPS = (0, 1, 8, 64, 512, 1000, 4000, 16000, 64000, 143000)
OUTCOMES = {"exact_match": 1.0, "log_prob": 6.0}


def prompt_file(name: str, *, spans: bool = False) -> dict[str, str]:
    row = {"clean": "When Mary and John went, John gave it to", "answer": " Mary"}
    row |= {"spans": {"IO": [5, 9], "S": [14, 18]}} if spans else {}
    return {"name": name, "file": f"{name}.jsonl", "text": json.dumps(row) + "\n"}


def given_study(labels: Sequence[str] = ("pythia-160m",), *, transfer: bool = False, **changes: object) -> Study:
    rows = [f"{label},{step},{0.1 * place}" for label in labels for place, step in enumerate(STEPS)]
    text = "\n".join(["run,step,transfer", *rows, ""])
    raw = {
        "name": "names_and_colours",
        "prompts": [prompt_file(MAIN, spans=True), prompt_file(OTHER)],
        "groups": [
            {
                "name": "pythia",
                "main": {"task": MAIN, "max_length": 0},
                "auxiliary": [{"task": OTHER, "max_length": 0}],
                "series": {"hub": [f"EleutherAI/{label}" for label in labels]},
            }
        ],
    }
    raw |= {"transfer": {"file": "mine.csv", "text": text}} if transfer else {}
    return parse_study(raw | changes, "given")


def given_inputs(
    labels: Sequence[str] = ("pythia-160m",),
    *,
    transfer: bool = False,
    tokens: bool = True,
    shape: tuple[int, int] = (3, 4),
    steps: Sequence[int] = STEPS,
    outcomes: Sequence[str] = tuple(OUTCOMES),
) -> ReportInputs:
    """Heads 1.2 and 2.0 come to serve both tasks; at the first four checkpoints nothing is solved."""
    study = given_study(labels, transfer=transfer)
    generator = np.random.default_rng(0)
    at = [("pythia", label, step) for label in labels for step in steps]
    tables = {
        "accuracy": _accuracy(at),
        "head_scores": _head_scores(at, shape, outcomes, generator),
        "overlap": _overlap(at, outcomes, generator),
    }
    measured = pd.DataFrame(at, columns=["group", "seed", "step"])
    rising = 0.1 * np.tile(np.arange(len(steps)), len(labels))
    measured = measured.assign(transfer=rising + 0.05 * generator.random(len(measured)))
    of_accuracy = transfer_table(tables["accuracy"], study.groups)
    tables["transfer"] = with_measured(of_accuracy, measured if transfer else measured.iloc[:0])
    places = [f"EleutherAI/{label}@step{step}" for _, label, step in at]
    checkpoints = pd.DataFrame(at, columns=["group", "seed", "step"]).assign(
        tokens=[step * 2**21 for *_, step in at] if tokens else np.nan, place=places, fingerprint="f"
    )
    return ReportInputs(
        study=study,
        versions={"headreuse": "0.1.0"},
        command="headreuse run names_and_colours.toml",
        patterns=[_pattern(label, steps[-1], shape) for label in labels],
        lined_up={MAIN: False, OTHER: True},
        correlation=correlation_table(tables["overlap"], tables["transfer"], study.groups, primary=study.question),
        clocks=clocks_table(tables["overlap"], study.groups),
        checkpoints=checkpoints,
        **tables,
    )


def learned(step: int) -> float:
    return float(1 / (1 + np.exp(-1.5 * (np.log(step + 1) - np.log(600)))))


def _accuracy(at) -> pd.DataFrame:
    rows = [
        (*place, task, role, 0, 64, learned(place[2]), 0.9 * learned(place[2]), 1.0)
        for place in at
        for task, role in ((MAIN, "main"), (OTHER, "auxiliary"))
    ]
    columns = ["group", "seed", "step", "task", "role", "length", "n", "accuracy", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=columns)


def _head_scores(at, shape, outcomes, generator) -> pd.DataFrame:
    frames = []
    layers, heads = (index.ravel() for index in np.indices(shape))
    for group, label, step in at:
        for task, own in ((MAIN, (0, 1)), (OTHER, (1, 1))):
            for outcome in outcomes:
                scale = OUTCOMES[outcome]
                effect = generator.normal(0, 0.01, shape)
                for head, size in ((1, 2), 1.0), ((2, 0), 0.8), (own, 0.6):
                    effect[head] += size * learned(step)
                values = scale * effect.ravel()
                place = {"group": group, "seed": label, "step": step, "task": task, "length": 0}
                frame = pd.DataFrame({"layer": layers, "head": heads, "effect": values})
                frame = frame.assign(ci_low=values - 0.1, ci_high=values + 0.1, baseline=scale * learned(step))
                frames.append(frame.assign(**place, method="mean_ablation", outcome=outcome))
    return pd.concat(frames, ignore_index=True)


def _overlap(at, outcomes, generator) -> pd.DataFrame:
    rows = []
    for group, label, step in at:
        done = learned(step)
        usable = done >= 0.1
        reason = "" if usable else f"floor: {MAIN} has accuracy {done:.2f}, below 0.1"
        for outcome in outcomes:
            alike = 0.2 + 0.6 * done + 0.05 * generator.random() - 0.1 * (step == STEPS[-1])
            place = {"group": group, "seed": label, "step": step, "task_a": MAIN, "task_b": OTHER, "length": 0}
            place |= {"method": "mean_ablation", "outcome": outcome, "baseline_a": done, "baseline_b": done**0.5}
            found = {"metric": "cosine", "value": alike if usable else np.nan, "ci_low": alike - 0.1}
            found |= {"ci_high": alike + 0.1, "chance": 0.12, "p_chance": 0.01, "noise_ceiling": 0.95}
            rows.append(place | found | {"usable": usable, "reason": reason, "note": ""})
    return pd.DataFrame(rows)


def _pattern(label: str, step: int, shape: tuple[int, int]) -> RunPattern:
    layout = ("BOS", *["INPUT"] * 5, "ANSWER")
    pattern = np.tril(np.ones((*shape, len(layout), len(layout)))) / np.arange(1, len(layout) + 1)[:, None]
    return RunPattern("pythia", label, step, MeanPattern(OTHER, 0, 64, layout, pattern))
