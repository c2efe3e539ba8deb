"""Made-up series of checkpoints as arrays, panels and tables, for tests of correlation."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from headreuse.correlation import Panel
from headreuse.correlation.simulated import autoregressive
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


def learned(n_runs: int, n_steps: int, late: float | Sequence[float] = 0.0) -> np.ndarray:
    """Accuracy (`run step`) that rises from 0 to 1 in log step, later by `late` in a run."""
    progress = np.log1p(100 * np.arange(1, n_steps + 1)) - np.broadcast_to(late, n_runs)[:, None]
    middle = np.log1p(100 * (n_steps + 1) / 2)
    return 1 / (1 + np.exp(-4 * (progress - middle)))


def steps_of(x: np.ndarray) -> np.ndarray:
    return 100 * np.arange(1, x.shape[1] + 1)


def panel(
    x: np.ndarray,
    y: np.ndarray,
    *,
    main: np.ndarray | None = None,
    auxiliary: np.ndarray | None = None,
    name: str = "g",
    metric: str = "cosine",
    transfer: str = "gap",
) -> Panel:
    """The panel of series (`run step`); a point counts where both are known."""
    known = np.isfinite(x) & np.isfinite(y)
    x, y = (np.where(known, values, np.nan) for values in (x, y))
    main = learned(*x.shape) if main is None else main
    auxiliary = np.sqrt(main) if auxiliary is None else auxiliary
    baselines = np.stack([main, auxiliary], axis=-1)
    seeds, steps = np.arange(len(x)), steps_of(x)
    place = (name, metric, "mean_ablation", "log_prob", transfer)
    return Panel(*place, seeds, steps, x, y, baselines, steps, main, auxiliary)


def tables(
    x: np.ndarray,
    y: np.ndarray,
    *,
    name: str = "g",
    metric: str = "cosine",
    main: np.ndarray | None = None,
    seeds: Sequence[int | str] | None = None,
    **changes: object,
):
    """Overlap and transfer tables of series (`run step`), the smallest that there can be; NaN for what is missing."""
    overlap, transfer = [], []
    main = learned(*x.shape) if main is None else main
    for (run, step), value in np.ndenumerate(x):
        if np.isnan(value):
            continue
        place = {"group": name, "seed": seeds[run] if seeds else run, "step": 100 * (step + 1)}
        measured = {"metric": metric, "method": "mean_ablation", "outcome": "log_prob", "value": value, "usable": True}
        baselines = {"baseline_a": main[run, step], "baseline_b": np.sqrt(main[run, step])}
        overlap.append(place | {"task_a": "copy", "task_b": "reverse", "length": 8} | measured | baselines | changes)
        transfer.append(place | {"gap": y[run, step], "transfer_fraction": 1 - 2 * y[run, step]})
    return pd.DataFrame(overlap), pd.DataFrame(transfer)


def together(*made: tuple[pd.DataFrame, pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The tables of several groups as one."""
    overlap, transfer = zip(*made, strict=True)
    return pd.concat(overlap, ignore_index=True), pd.concat(transfer, ignore_index=True)


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
    rows = rows_of(table, **({"transfer_metric": "gap", "overlap_metric": "cosine"} | chosen))
    assert len(rows) == 1
    return rows.iloc[0]
