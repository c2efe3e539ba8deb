"""What a series is: entries, one for each saved step, and an origin that lists them and lays their files ready."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Entry:
    """One saved step of one training run, as it is listed: nothing of it needs to be on this machine yet."""

    run: str
    """Which training run it belongs to, where an origin has several; empty where it has one."""
    name: str
    """Of its folder, or of its revision on a Hub."""
    step: int
    tokens: int | None
    """Tokens seen in training, where the name says so."""
    fingerprint: str
    """What measurements of it are kept under: the commit hash on a Hub, else the SHA-256 of weights, configuration and
    tokenizer; empty where it cannot be used."""
    place: str
    """Where it lies: a path, or `owner/name@revision`."""
    problem: str = ""
    """Why it cannot be used, and what would help; empty where it can."""


class Origin(ABC):
    """Where the entries of a series lie."""

    @abstractmethod
    def entries(self) -> tuple[Entry, ...]:
        """All that are there, run by run in the order of their steps; those that cannot be used have a `problem`."""

    @abstractmethod
    def ready(self, entry: Entry) -> AbstractContextManager[Path]:
        """The folder with an entry's files, whole and checked, for as long as the block lasts.

        Raises `HeadreuseError` where they are damaged, are not those of the entry's fingerprint or cannot be had.
        """

    def small_files(self, entry: Entry) -> AbstractContextManager[Path]:
        """A folder with an entry's configuration and tokenizer; the weights need not be in it."""
        return self.ready(entry)
