"""Invented tables with the columns, sizes and quirks of a real run folder, for tests of figures and report."""

from itertools import combinations, permutations
from pathlib import Path

import numpy as np
import pandas as pd

from headreuse.correlation.primary import marked
from headreuse.correlation.table import COLUMNS
from headreuse.correlation.verdict import NAME, PARTS
from headreuse.figures import RunPattern
from headreuse.overlap import OVERLAP_METRICS
from headreuse.records import MeanPattern
from headreuse.report import ReportInputs
from headreuse.study import Group, Study, read_study
from headreuse.tables.clocks import clocks_table

DEMO = Path(__file__).parent / "small_study.toml"
OUTCOMES = {"exact_match": 1.0, "token_accuracy": 0.6, "log_prob": 6.0, "logit_diff": 9.0}
DESCRIPTIVE = ("pooled_pearson", "pooled_spearman", "within_run")
SIMILARITIES = {"cosine": 0.1, "spearman": 0.0, "top_k_jaccard": 0.3}


def small_study(**changes) -> Study:
    return read_study(DEMO).model_copy(update=changes)


def report_inputs(study: Study | None = None, *, n_checkpoints: int = 15, **changes) -> ReportInputs:
    """The inputs of a finished study: related groups transfer, controls do not, the first checkpoints solve nothing."""
    study = study or small_study()
    generator = np.random.default_rng(0)
    runs = [(group, seed, generator) for group in study.groups for seed in study.seeds]
    tables = {
        "accuracy": pd.concat([accuracy(*run, n_checkpoints) for run in runs], ignore_index=True),
        "head_scores": pd.concat([head_scores(*run, study, n_checkpoints) for run in runs], ignore_index=True),
        "transfer": pd.concat([transfer(*run, n_checkpoints) for run in runs], ignore_index=True),
        "overlap": pd.concat([overlap(*run, n_checkpoints) for run in runs], ignore_index=True),
        "functional_overlap": pd.concat([functional_overlap(*run) for run in runs], ignore_index=True),
        "correlation": pd.concat([correlation(group, study, generator) for group in study.groups], ignore_index=True),
    }
    tables["clocks"] = clocks_table(tables["overlap"], study.groups)
    given = {
        "study": study,
        "versions": {"headreuse": "0.1.0", "torch": "2.13.0", "plotly": "7.1.0"},
        "command": "headreuse run analyses/demo.toml",
        "patterns": [pattern for run in runs for pattern in patterns(*run, study)],
        "problems": ["copy_control seed 1 checkpoint-700: model.safetensors is truncated; skipped"],
        **tables,
    }
    return ReportInputs(**(given | changes))


def steps_of(group: Group, n_checkpoints: int) -> list[int]:
    return np.linspace(group.training.steps / n_checkpoints, group.training.steps, n_checkpoints).astype(int).tolist()


def learned(group: Group, seed: int, step: int) -> float:
    """How much of the tasks is learned, 0 to 1."""
    return float(1 / (1 + np.exp(-12 * (step / group.training.steps - 0.35 - 0.05 * seed))))


def reach(group: Group, seed: int, step: int, task: str) -> float:
    """The length at which a task's accuracy is one half."""
    half = {entry.task: entry.max_length for entry in group.tasks}[task] + 1.5
    if task == group.main.task and group.kind == "related":
        half += 7 * learned(group, seed, int(step * 0.8))
    return half


def accuracy(group, seed, generator, n_checkpoints) -> pd.DataFrame:
    rows = []
    for step in steps_of(group, n_checkpoints):
        for entry in group.tasks:
            for length in range(1, group.transfer_to + 5):
                rate = learned(group, seed, step) / (1 + np.exp(1.2 * (length - reach(group, seed, step, entry.task))))
                value = generator.binomial(256, rate) / 256
                half = 1.96 * np.sqrt(value * (1 - value) / 256) + 0.005
                role = group.role(entry.task)
                low, high = max(0, value - half), min(1, value + half)
                rows.append((group.name, seed, step, entry.task, role, length, 256, value, low, high))
    columns = ["group", "seed", "step", "task", "role", "length", "n", "accuracy", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=columns)


def head_scores(group, seed, generator, study, n_checkpoints) -> pd.DataFrame:
    shape = study.model.n_layers, study.model.n_heads
    shared = generator.dirichlet(np.full(np.prod(shape), 0.4)).reshape(shape)
    rows = []
    for step in steps_of(group, n_checkpoints):
        done = learned(group, seed, step)
        for entry in group.tasks:
            apart = generator.dirichlet(np.full(np.prod(shape), 0.4)).reshape(shape)
            weight = done if group.kind == "related" else 0.1
            truth = np.minimum(1, 2 * (weight * shared + (1 - weight) * apart)) * done
            for outcome, scale in OUTCOMES.items():
                effect = scale * truth + generator.normal(0, 0.01 * scale, shape)
                rows += [
                    (group.name, seed, step, entry.task, 8, "mean_ablation", outcome, layer, head, done * scale, value,
                     value - 0.03 * scale, value + 0.03 * scale)
                    for (layer, head), value in np.ndenumerate(effect)
                ]  # fmt: skip
    columns = ["group", "seed", "step", "task", "length", "method", "outcome", "layer", "head", "baseline", "effect"]
    return pd.DataFrame(rows, columns=[*columns, "ci_low", "ci_high"])


def transfer(group, seed, generator, n_checkpoints) -> pd.DataFrame:
    rows = []
    for step in steps_of(group, n_checkpoints):
        done = learned(group, seed, step)
        far = learned(group, seed, int(step * 0.8)) * (0.9 if group.kind == "related" else 0.02)
        gap = 0.5 * (done - far * done) + 0.01 * generator.random()
        rows.append((group.name, seed, step, gap, 1 - gap / 0.5, done, far * done, 0.05 * far))
    columns = ["gap", "transfer_fraction", "accuracy_in_distribution", "accuracy_transfer", "accuracy_beyond"]
    return pd.DataFrame(rows, columns=["group", "seed", "step", *columns])


def overlap(group, seed, generator, n_checkpoints) -> pd.DataFrame:
    rows = []
    for step in steps_of(group, n_checkpoints):
        done = learned(group, seed, step)
        alike = 0.2 + 0.7 * done * (group.kind == "related") + 0.05 * generator.random()
        usable = done >= 0.1
        for a, b in combinations([entry.task for entry in group.tasks], 2):
            place = (group.name, seed, step, a, b, 8, done, done)
            for outcome, scale in OUTCOMES.items():
                value = scale * 0.4 * (1 - alike) * done
                at = (*place, "mean_ablation", outcome)
                rows.append(
                    (*at, "ablation_map_difference", value, value * 0.9, value * 1.1, np.nan, np.nan, 0.02, usable)
                )
                for metric, chance in SIMILARITIES.items():
                    value = alike if usable else np.nan
                    rows.append((*at, metric, value, value - 0.1, value + 0.1, chance, 0.2, np.nan, usable))
            value = 40 * (1.2 - alike)
            at = (*place, "attention", "pattern", "attention_difference")
            rows.append((*at, value, np.nan, np.nan, np.nan, np.nan, np.nan, usable))
    columns = ["group", "seed", "step", "task_a", "task_b", "length", "baseline_a", "baseline_b", "method", "outcome"]
    columns += ["metric", "value", "ci_low"]
    return pd.DataFrame(rows, columns=[*columns, "ci_high", "chance", "p_chance", "noise_floor", "usable"])


def functional_overlap(group, seed, generator) -> pd.DataFrame:
    """At the last step: nearly as much as the target's own heads in related groups, only chance in controls."""
    rows = []
    for source, target in permutations([entry.task for entry in group.tasks], 2):
        for outcome in OUTCOMES:
            value = (0.9 if group.kind == "related" else 0.3) + 0.05 * generator.random()
            place = (group.name, seed, group.training.steps, source, target, outcome, 3)
            rows.append((*place, value, value - 0.1, value + 0.1, 0.3, 0.04, value, 1.0, 0.3, True, ""))
    columns = ["group", "seed", "step", "source", "target", "outcome", "n_heads", "value", "ci_low", "ci_high"]
    columns += ["chance", "p_chance", "loss", "loss_own", "loss_random", "usable", "reason"]
    return pd.DataFrame(rows, columns=columns)


def correlation(group, study, generator) -> pd.DataFrame:
    """As of too few seeds for any test."""
    measures = [(metric, outcome) for metric in ("ablation_map_difference", *SIMILARITIES) for outcome in OUTCOMES]
    rows = []
    for metric, outcome in [*measures, ("attention_difference", "pattern")]:
        method = "attention" if outcome == "pattern" else "mean_ablation"
        for measure in ("gap", "transfer_fraction"):
            sign = 1 if OVERLAP_METRICS[metric].distance == (measure == "gap") else -1
            for statistic in (*DESCRIPTIVE, *PARTS, NAME):
                value = sign * (0.7 if group.kind == "related" else 0.1) + 0.05 * generator.normal()
                place = (group.name, group.kind, metric, method, outcome, measure, statistic)
                verdict = ("not testable", "reuse") if statistic == NAME else ("", "")
                value = np.nan if statistic == NAME else value
                n = len(study.seeds)
                rows.append((*place, value, np.nan, np.nan, "", np.nan, "", np.nan, n, 11 * n, *verdict))
    table = pd.DataFrame(rows, columns=[name for name in COLUMNS if name not in ("primary", "note")])
    table = table.assign(note="no p from two runs")
    return table.assign(primary=marked(table, study.question, study.groups))[list(COLUMNS)]


def patterns(group, seed, generator, study) -> list[RunPattern]:
    layout = ("BOS", "MARKER", *["INPUT"] * 8, "SEPARATOR", *["ANSWER"] * 8)
    found = []
    for entry in group.tasks:
        logits = generator.normal(0, 2, (study.model.n_layers, study.model.n_heads, len(layout), len(layout)))
        logits = np.where(np.tril(np.ones(logits.shape[-2:], bool)), logits, -np.inf)
        values = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        mean = MeanPattern(entry.task, 8, 256, layout, values)
        found.append(RunPattern(group.name, seed, group.training.steps, mean))
    return found
