"""Where all checkpoints at once tell the opposite of what holds within a run, said in one sentence (Simpson 1951)."""

from collections.abc import Iterator, Mapping

from headreuse.correlation.wording import counted
from headreuse.report.findings import PUBLISHED, Entry, is_of, measures_of
from headreuse.report.inputs import ReportInputs
from headreuse.report.wording import listed, signed

POOLED, WITHIN = "pooled_pearson", "within_run"
CLEAR = 0.2
"""Of correlations closer to 0 than this it is not said that they have another sign."""
MAX_NAMED = 3


def reversals(inputs: ReportInputs) -> list[str]:
    """Of the primary and the published measures, in any group; empty where there is none."""
    cases = list(dict.fromkeys(_cases(inputs)))
    if not cases:
        return []
    more = f" (and in {len(cases) - MAX_NAMED} more cases)" if len(cases) > MAX_NAMED else ""
    return [
        f"Over all checkpoints at once the correlation of {listed(cases[:MAX_NAMED])}{more}: runs differ in their "
        "level, and to throw their checkpoints together turns the sign round (Simpson's paradox). The sign within runs "
        "counts."
    ]


def _cases(inputs: ReportInputs) -> Iterator[str]:
    rows = inputs.correlation
    if not len(rows):
        return
    both = rows[rows["statistic"].isin([POOLED, WITHIN])]
    for question in (inputs.study.question, PUBLISHED):
        by_group: dict[tuple[object, ...], dict[str, Entry]] = {}
        for row in both.to_dict("records"):
            if is_of(row, question):
                by_group.setdefault((row["group"], row["method"]), {})[str(row["statistic"])] = row
        yield from (_case(found) for found in by_group.values() if len(found) == 2 and _differ(found))


def _differ(found: Mapping[str, Entry]) -> bool:
    pooled, within = (float(found[name]["value"]) for name in (POOLED, WITHIN))
    return min(abs(pooled), abs(within)) >= CLEAR and pooled * within < 0


def _case(found: Mapping[str, Entry]) -> str:
    pooled, within = (float(found[name]["value"]) for name in (POOLED, WITHIN))
    row = found[WITHIN]
    runs = counted(int(row["n_runs"]), "run")
    inside = f"within a run it is {signed(within)} (median of {runs})"
    return f"{measures_of(row)} in {row['group']} is {signed(pooled)}, but {inside}"
