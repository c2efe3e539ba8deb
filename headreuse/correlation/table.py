"""The correlation table: every estimate of every pairing of an overlap with a transfer measure."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
from scipy import stats

from headreuse.correlation.across import by_measure, contrast, families, together
from headreuse.correlation.estimate import Estimate, estimate
from headreuse.correlation.group_level import over_groups
from headreuse.correlation.panels import MEASURE_COLUMNS, NO_OVERLAP, Panel, panels
from headreuse.correlation.pooled import pooled
from headreuse.correlation.primary import ALL_RELATED, CHOSEN, chosen_groups, is_apart, marked
from headreuse.correlation.statistics import STATISTICS
from headreuse.correlation.verdict import NAME, PARTS, RETIMED, verdict
from headreuse.study.group import Group
from headreuse.study.primary import Primary

COLUMNS = (
    "group",
    "kind",
    *MEASURE_COLUMNS,
    "statistic",
    "value",
    "ci_low",
    "ci_high",
    "interval",
    "p",
    "test",
    "q",
    "n_runs",
    "n_points",
    "verdict",
    "direction",
    "primary",
    "note",
)
ALL_GROUPS = {"related": ALL_RELATED, "control": "all control groups"}
CONTRAST = "related − control"
ALL = "all groups"
MIN_GROUPS = 3

Row = dict[str, object]


def correlation_table(
    overlap: pd.DataFrame,
    transfer: pd.DataFrame,
    groups: Sequence[Group],
    *,
    training_log: pd.DataFrame | None = None,
    primary: Primary | None = None,
) -> pd.DataFrame:
    """One row per group, overlap measure, transfer measure and statistic, from the `overlap` and `transfer` tables.

    Over usable checkpoints only. `value`, `ci_low`, `ci_high` and `p` of a row are of one thing, the runs' own
    correlations (−1 to 1), on the same checkpoints: `value` is their median, the interval holds it with 97 %, `p` is of
    the test that `test` names, never one over checkpoints. What there are too few runs for is NaN, and `note` says why.
    `n_runs` and `n_points` are what the row rests on.

    The statistics `step_adjusted`, `aligned` and `conditional` are parts of one test, and none is evidence by itself:
    the row `beyond_progress` holds the `verdict` from all three, and its `direction` (of `reuse`, or `opposite`). The
    row that answers the study's `primary` question says so; all other verdicts are exploratory, and `q` is their p with
    the false discovery rate controlled over all of them at once (Benjamini & Hochberg 1995).

    Rows whose method is `negative control` have an accuracy or the training loss in the place of overlap. Several
    related (control) groups have rows of all their runs, under `all related groups` (`all control groups`). Where there
    are both kinds, the row `related − control` compares their runs. From three groups on, rows of `all groups`
    correlate over groups: each group is then one point.
    """
    found = list(panels(overlap, transfer, groups, training_log))
    question = primary or Primary()
    rows = [*_rows_of_groups(found, groups), *_rows_across(found, groups, question)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return _with_q(table.assign(primary=marked(table, question, groups)))


def estimates(panel: Panel) -> Iterator[Estimate]:
    """All estimates of one panel."""
    yield from pooled(panel)
    found = {name: estimate(panel, statistic) for name, statistic in STATISTICS.items()}
    yield from found.values()
    yield verdict(found, panel.sign_of_reuse)


def verdict_of(panel: Panel) -> Estimate:
    """The row `beyond_progress` of one panel."""
    return verdict({name: estimate(panel, STATISTICS[name]) for name in (*PARTS, RETIMED)}, panel.sign_of_reuse)


def _rows_of_groups(found: Sequence[Panel], groups: Sequence[Group]) -> Iterator[Row]:
    kinds = {group.name: group.kind for group in groups}
    for panel in found:
        for entry in estimates(panel):
            yield _row(panel.group, kinds[panel.group], panel, entry)


def _rows_across(found: Sequence[Panel], groups: Sequence[Group], primary: Primary) -> Iterator[Row]:
    kinds = {group.name: group.kind for group in groups}
    chosen = chosen_groups(primary, groups) if is_apart(primary, groups) else []
    for same in by_measure(found):
        for kind, name in ALL_GROUPS.items():
            yield from _rows_together(name, kind, [panel for panel in same if kinds[panel.group] == kind], groups)
        yield from _rows_together(CHOSEN, "primary", [panel for panel in same if panel.group in chosen], groups)
        if same[0].method == NO_OVERLAP:
            continue
        if len(same) >= MIN_GROUPS:
            yield _row(ALL, "all", same[0], over_groups(same))
        of_kind = {kind: [panel for panel in same if kinds[panel.group] == kind] for kind in ALL_GROUPS}
        if all(of_kind.values()):
            yield _row(CONTRAST, "contrast", same[0], contrast(of_kind["related"], of_kind["control"]))


def _rows_together(name: str, kind: str, same: Sequence[Panel], groups: Sequence[Group]) -> Iterator[Row]:
    """What is tested, over the runs of several groups; nothing where there are not several."""
    twins = {group.name: group.twins for group in groups}
    if sum(len(family) for family in families(same, twins)) < 2:
        return
    found = {part: together(same, twins, part) for part in (*PARTS, RETIMED)}
    for entry in (*found.values(), verdict(found, same[0].sign_of_reuse)):
        yield _row(name, kind, same[0], entry)


def _row(group: str, kind: str, panel: Panel, entry: Estimate) -> Row:
    return {"group": group, "kind": kind} | dict(zip(MEASURE_COLUMNS, panel.measure, strict=True)) | asdict(entry)


def _with_q(table: pd.DataFrame) -> pd.DataFrame:
    """q of all that is exploratory, one family: verdicts and what compares groups; parts of a verdict are no tests."""
    whole = table["statistic"].isin([NAME, "related_minus_control", "between_group"])
    family = table.loc[whole & ~table["primary"] & (table["method"] != NO_OVERLAP), "p"].dropna().astype(float)
    if not len(family):
        return table.assign(q=np.nan)
    q = pd.Series(stats.false_discovery_control(family), index=family.index)
    return table.assign(q=q.reindex(table.index))
