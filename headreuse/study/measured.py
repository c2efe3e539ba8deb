"""Transfer that was measured elsewhere: a CSV file that a study names and that is kept with it.

    run,step,transfer,transfer_at_16
    seed-0,1000,0.12,0.05

Its place is the top of a study, not its groups: the primary question names one measure, which must be the same thing in
all groups. Where a study has several groups, a column `group` says which one a row is of.
"""

from pathlib import Path
from typing import Any

from pydantic import model_validator

from headreuse.errors import HeadreuseError
from headreuse.study import limits
from headreuse.study.frozen import Frozen
from headreuse.study.showing import on_one_line, shown
from headreuse.study.texts import UnreadableError, read_text
from headreuse.study.transfer_rows import KEY, RUN_COLUMNS, TransferRow, header_of, measures_among, parse_transfer


class MeasuredTransfer(Frozen):
    """A file of transfer as a study keeps it."""

    file: str
    """Its path as the study file writes it; shown in messages and never opened."""
    text: str

    @model_validator(mode="after")
    def _is_whole(self) -> "MeasuredTransfer":
        try:
            _ = self.rows
        except HeadreuseError as error:
            raise ValueError(str(error).splitlines()[0]) from None
        return self

    @property
    def rows(self) -> tuple[TransferRow, ...]:
        """In the order of the file."""
        return parse_transfer(self.text)

    @property
    def measures(self) -> tuple[str, ...]:
        """`transfer` and the further columns, in the order of the file; of each, more is more transfer."""
        return measures_among(header_of(self.text))

    @property
    def has_runs(self) -> bool:
        """Whether its rows say of which run they are."""
        return any(name in RUN_COLUMNS for name in header_of(self.text))

    @property
    def has_groups(self) -> bool:
        """Whether its rows say of which group they are."""
        return "group" in header_of(self.text)


def with_measured(raw: dict[str, Any], beside: Path) -> tuple[dict[str, Any], list[str]]:
    """A raw study that holds the file of transfer that it names, and every fault of that file."""
    path = raw.get(KEY)
    if path is None:
        return raw, []
    if not isinstance(path, str):
        return raw, [f"{KEY}: {shown(path)} is no path; give a file of transfer (CSV)"]
    try:
        text = read_text(beside / path, limits.TRANSFER_FILE_BYTES)
    except UnreadableError as error:
        return raw, [f"{KEY}: {on_one_line(path)}: {error}; give the path of a CSV file"]
    try:
        parse_transfer(text)
    except HeadreuseError as error:
        return raw, [f"{on_one_line(path)}: {line}" for line in str(error).splitlines()]
    return raw | {KEY: {"file": path, "text": text}}, []
