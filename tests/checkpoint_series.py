"""Made-up series of checkpoints as arrays and as tables, for tests of correlation."""

import numpy as np
import pandas as pd

from headreuse.correlation.power import autoregressive
from headreuse.study import Group


def group(name: str, kind: str = "related", main: str = "copy", auxiliary: tuple[str, ...] = ("reverse",)) -> Group:
    return Group.model_validate(
        {
            "name": name,
            "kind": kind,
            "main": {"task": main, "max_length": 8},
            "auxiliary": [{"task": task, "max_length": 16} for task in auxiliary],
        }
    )


def tables(x: np.ndarray, y: np.ndarray, *, name: str = "g", metric: str = "cosine", **changes):
    """Overlap and transfer tables of series (`run step`), the smallest that there can be."""
    overlap, transfer = [], []
    for (seed, step), value in np.ndenumerate(x):
        place = {"group": name, "seed": seed, "step": 100 * (step + 1)}
        measured = {"metric": metric, "method": "mean_ablation", "outcome": "log_prob", "value": value, "usable": True}
        baselines = {"baseline_a": np.sqrt(step + seed), "baseline_b": np.cos(3 * step + seed)}
        overlap.append(place | {"task_a": "copy", "task_b": "reverse"} | measured | baselines | changes)
        transfer.append(place | {"gap": y[seed, step], "transfer_fraction": 1 - 2 * y[seed, step]})
    return pd.DataFrame(overlap), pd.DataFrame(transfer)


def series(n_runs: int, n_steps: int, seed: int = 0, relation: float = 0.6, trend: float = 1.0):
    generator = np.random.default_rng(seed)
    noise, other = (autoregressive((n_runs, n_steps), 0.5, generator) for _ in range(2))
    common = trend * np.linspace(-1, 1, n_steps)
    level = generator.normal(size=(2, n_runs, 1))
    return common + noise + level[0], common + relation * noise + np.sqrt(1 - relation**2) * other + level[1]


def rows_of(table: pd.DataFrame, **chosen) -> pd.DataFrame:
    for column, value in chosen.items():
        table = table[table[column] == value]
    return table


def one(table: pd.DataFrame, **chosen) -> pd.Series:
    rows = rows_of(table, transfer_metric="gap", **chosen)
    assert len(rows) == 1
    return rows.iloc[0]
