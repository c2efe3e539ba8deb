"""The one question of a study that is tested at 5 %, fixed before anything is run; all else is exploratory."""

from typing import Annotated, Literal

from pydantic import Field

from headreuse.study.frozen import Frozen, Name

DEFAULT_OVERLAP = "cosine"
"""It does not contain main's accuracy, as the gap does; the published ablation-map difference does."""
DEFAULT_OUTCOME = "log_prob"
"""It has no floor: late in training most effects on accuracy are 0, so that there is nothing to compare."""


class Primary(Frozen):
    """Does this transfer go with this overlap, over the runs of these groups?"""

    overlap: str | None = None
    """One of the study's overlap metrics; `cosine` where it is among them, else the first, where nothing is said."""
    method: str | None = None
    """One of the study's scores; the first where nothing is said."""
    outcome: str | None = None
    """What a head's effect is on; `log_prob` where nothing is said."""
    transfer: Literal["gap", "transfer_fraction"] = "gap"
    groups: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    """All related groups where nothing is said."""
