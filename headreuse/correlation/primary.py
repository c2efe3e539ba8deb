"""Which row of the correlation table answers the study's primary question?"""

from collections.abc import Sequence

import pandas as pd

from headreuse.correlation.verdict import NAME
from headreuse.study.group import Group
from headreuse.study.primary import Primary

ALL_RELATED = "all related groups"
CHOSEN = "primary groups"


def chosen_groups(primary: Primary, groups: Sequence[Group]) -> list[str]:
    """The groups that the question is about: those that it names, else all related ones."""
    return list(primary.groups) or [group.name for group in groups if group.kind == "related"]


def is_apart(primary: Primary, groups: Sequence[Group]) -> bool:
    """Whether the question is about several groups that are not all the related ones, so that they need own rows."""
    related = {group.name for group in groups if group.kind == "related"}
    chosen = set(chosen_groups(primary, groups))
    return len(chosen) > 1 and chosen != related


def marked(table: pd.DataFrame, primary: Primary, groups: Sequence[Group]) -> pd.Series:
    """Whether each row is the answer: at most one is; with several groups that of their runs together."""
    here = (table["statistic"] == NAME) & is_of_question(table, primary)
    chosen = chosen_groups(primary, groups)
    candidates = [CHOSEN if is_apart(primary, groups) else ALL_RELATED, *chosen] if len(chosen) > 1 else chosen
    rows = table[here].drop_duplicates("group").set_index("group", append=True)
    by_group = {str(name): index for index, name in rows.index}
    found = next((by_group[name] for name in candidates if name in by_group), None)
    return pd.Series(table.index == found if found is not None else False, index=table.index)


def is_of_question(table: pd.DataFrame, primary: Primary) -> pd.Series:
    """Whether each row is of the measures that the question names."""
    wanted = {
        "overlap_metric": primary.overlap,
        "method": primary.method,
        "outcome": primary.outcome,
        "transfer_metric": primary.transfer,
    }
    here = pd.Series(True, index=table.index)
    for column, value in wanted.items():
        if value is not None:
            here &= table[column] == value
    return here
