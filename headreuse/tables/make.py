"""From measurements to the tables; a table is made anew only when something that it is made from changed."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from headreuse.correlation import correlation_table
from headreuse.errors import HeadreuseError
from headreuse.overlap import ComparisonSettings, overlap_table
from headreuse.overlap.functional import functional_table
from headreuse.records import HeadScores
from headreuse.store.folder import TABLES, RunFolder
from headreuse.tables.results import Measured, MeasuredCheckpoint
from headreuse.tables.transfer import accuracy_rows, transfer_table

CONFIDENCE = 0.95
ANALYSIS_STREAM = 2
"""Sets the draws of the resampling apart from the other draws that share the study's data seed."""


def make_tables(folder: RunFolder) -> dict[str, pd.DataFrame]:
    """All tables of a run folder by name; read where they are up to date, else made and kept."""
    measured = Measured(folder)
    if all(folder.has_table(name, measured.key) for name in TABLES):
        return {name: folder.read_table(name) for name in TABLES}
    tables = compute_tables(measured)
    for name, table in tables.items():
        folder.write_table(name, table, measured.key)
    return {name: folder.read_table(name) for name in TABLES}


def compute_tables(measured: Measured) -> dict[str, pd.DataFrame]:
    """All tables by name, with the columns of `README.md`."""
    study = measured.study
    settings = ComparisonSettings(top_k=study.measures.top_k, baseline_floor=study.measures.baseline_floor)
    accuracy: list[pd.DataFrame] = []
    head_scores: list[pd.DataFrame] = []
    overlap: list[pd.DataFrame] = []
    functional: list[pd.DataFrame] = []
    for entry in measured.checkpoints():
        scores = entry.head_scores()
        accuracy.append(_placed(entry, _with_role(entry, accuracy_rows(entry.evaluations()))))
        head_scores.extend(_placed(entry, head_score_rows(one)) for one in scores)
        generator = np.random.default_rng([study.data_seed, ANALYSIS_STREAM])
        compared = overlap_table(scores, entry.patterns(), entry.group, settings=settings, generator=generator)
        overlap.append(_placed(entry, compared))
        functional.append(_placed(entry, functional_table(entry.set_ablations(), generator)))
    if not any(map(len, accuracy)) or not head_scores:
        raise HeadreuseError("nothing has been measured yet; `headreuse run` trains and measures what is missing")
    tables = {"accuracy": _stacked(accuracy), "head_scores": _stacked(head_scores), "overlap": _stacked(overlap)}
    tables["functional_overlap"] = _stacked(functional)
    tables["transfer"] = transfer_table(tables["accuracy"], study.groups)
    tables["correlation"] = correlation_table(tables["overlap"], tables["transfer"], study.groups)
    tables["training_log"] = measured.training_log()
    return {name: tables[name] for name in TABLES}


def head_score_rows(scores: HeadScores) -> pd.DataFrame:
    """One row per outcome and head: `HeadScores.to_frame` with the 95 % interval of the mean effect over prompts.

    The interval is Student's t of the per-prompt effects, which are differences on the same prompt; where all prompts
    agree it has no width, which says nothing about prompts not drawn.
    """
    frame = scores.to_frame()
    low, high = [], []
    for effects in scores.effects.values():
        mean, n = effects.mean(axis=-1), effects.shape[-1]
        half = stats.t.isf((1 - CONFIDENCE) / 2, n - 1) * effects.std(axis=-1, ddof=1) / np.sqrt(n)
        low.append((mean - half).ravel())
        high.append((mean + half).ravel())
    return frame.assign(ci_low=np.concatenate(low), ci_high=np.concatenate(high))


def _placed(entry: MeasuredCheckpoint, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with the columns in front that say which checkpoint they are of."""
    place = pd.DataFrame(entry.place, index=rows.index)
    return pd.concat([place, rows], axis=1)


def _with_role(entry: MeasuredCheckpoint, rows: pd.DataFrame) -> pd.DataFrame:
    rows.insert(1, "role", rows["task"].map(entry.group.role))
    return rows


def _stacked(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One table of all; frames without rows, as of a task trained alone, have no say in the columns' types."""
    return pd.concat([frame for frame in frames if len(frame)] or frames[:1], ignore_index=True)
