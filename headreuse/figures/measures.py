"""What an overlap was measured with, in one name: `cosine of exact_match`, or `attention_difference` alone."""

import numpy as np
import pandas as pd

from headreuse.figures.style import escaped
from headreuse.overlap.registry import OVERLAP_METRICS

PUBLISHED = ("ablation_map_difference", "attention_difference")
"""The differences as published (Cai et al. 2025, arXiv 2506.09251), shown first."""

WORDS = {"gap": "generalization gap", "transfer_fraction": "transfer fraction τ"}


def in_words(column: str) -> str:
    """What a measure is called at an axis, escaped."""
    return WORDS.get(column) or escaped(column.replace("_", " "))


def similarities(overlap: pd.DataFrame) -> pd.DataFrame:
    """The rows of metrics that are larger the more alike two tasks are.

    A metric that this version does not know, as a table of another version may have, is left out: which way it points
    is not known.
    """
    alike = [name for name, metric in OVERLAP_METRICS.items() if not metric.distance]
    return overlap[overlap["metric"].isin(alike)]


def with_measure(overlap: pd.DataFrame) -> pd.DataFrame:
    """The rows with a column `measure`: the metric, with its outcome and method where it has several."""
    parts = ["metric", *(name for name in ("outcome", "method") if name in overlap)]
    distinct = overlap[parts].drop_duplicates()
    names = []
    for row in distinct.itertuples(index=False):
        alike = distinct[distinct["metric"] == row.metric]
        several = [str(getattr(row, part)) for part in parts[1:] if alike[part].nunique() > 1]
        names.append(" · ".join([str(row.metric), *several]))
    # Groups are numbered as they first come, as `distinct` is; looking every row up would be slow in a large table.
    numbers = overlap.groupby(parts, sort=False, dropna=False).ngroup().to_numpy()
    return overlap.assign(measure=np.array(names, dtype=object)[numbers])


def measures(overlap: pd.DataFrame) -> list[str]:
    """The measures in the rows: the published first, exact match before other outcomes, the rest in their order."""
    names = overlap[["measure", "metric"]].drop_duplicates()
    outcome = overlap.drop_duplicates("measure")["outcome"] if "outcome" in overlap else pd.Series("", names.index)
    order = [
        (
            PUBLISHED.index(metric) if metric in PUBLISHED else len(PUBLISHED),
            of_measure != "exact_match",
            position,
            measure,
        )
        for position, (measure, metric, of_measure) in enumerate(
            zip(names["measure"], names["metric"], outcome, strict=True)
        )
    ]
    return [measure for *_, measure in sorted(order)]
