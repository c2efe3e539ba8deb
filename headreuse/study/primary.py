"""The one question of a study that is tested at 5 %, fixed before anything is run; all else is exploratory."""

from typing import Annotated

from pydantic import Field, field_validator

from headreuse.records import ATTENTION, OUTCOMES
from headreuse.study.frozen import Frozen, Name, check_known
from headreuse.study.measure_spec import SCORE_NAMES, check_metrics

DEFAULT_OVERLAP = "cosine"
"""It does not contain main's accuracy, as the gap does; the published ablation-map difference does."""
DEFAULT_METHOD = "banzhaf"
"""It sees heads that back each other up. Single heads' ablation does not, so that late maps are dead and alike."""


class Primary(Frozen):
    """Does this transfer go with this overlap, over the runs of these groups?"""

    overlap: str | None = None
    """One of the study's overlap metrics; `cosine` where it is among them, else the first, where nothing is said."""
    method: str | None = None
    """One of the study's scores; `banzhaf` where it is among them, else the first, where nothing is said. A metric of
    patterns takes none."""
    outcome: str | None = None
    """What a head's effect is on; `log_prob` where nothing is said, `attention` of a score of patterns, which gives
    nothing else."""
    transfer: str | None = None
    """`gap`, `transfer_fraction` or a column of the study's file of transfer. Where nothing is said it is that file's
    column `transfer`, or the gap where there is no file."""
    groups: Annotated[tuple[Name, ...], Field(strict=False)] = ()
    """All related groups where nothing is said. A study file may also name an entry that is unfolded to several groups:
    it stands for those of them that have auxiliaries."""

    @field_validator("overlap")
    @classmethod
    def _metric(cls, name: str | None) -> str | None:
        check_metrics([] if name is None else [name])
        return name

    @field_validator("method")
    @classmethod
    def _score(cls, name: str | None) -> str | None:
        check_known("score", [] if name is None else [name], SCORE_NAMES)
        return name

    @field_validator("outcome")
    @classmethod
    def _outcome(cls, name: str | None) -> str | None:
        check_known("outcome", [] if name is None else [name], [*OUTCOMES, ATTENTION])
        return name
