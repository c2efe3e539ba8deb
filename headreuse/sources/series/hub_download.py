"""Files of one revision on their way from the Hub into the cache, each checked when it has come."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headreuse.errors import HeadreuseError
from headreuse.sources.series.cache import Revision, in_words
from headreuse.sources.series.hub_files import HubFile, is_whole

if TYPE_CHECKING:
    from headreuse.sources.series.hub_client import HubClient

ATTEMPTS = 3
"""At a file that comes damaged, before it is given up."""

OnProgress = Callable[[float, str], None]
"""Given the share of a revision that has come, from 0 to 1, and a line about it."""


@dataclass(frozen=True)
class Download:
    """Files of one revision on their way into the cache."""

    client: "HubClient"
    revision: Revision
    place: str
    on_progress: OnProgress

    def all(self, files: Sequence[HubFile]) -> None:
        """Bring several, and see that they stay, since another process may have evicted a blob that they share."""
        total, come = sum(file.size for file in files), 0

        def moved(n: int) -> None:
            nonlocal come
            # What is sent twice, after a connection broke, counts once.
            come = min(come + n, total)
            self.on_progress(come / max(total, 1), f"{self.place}: {in_words(come)} of {in_words(total)}")

        for _ in range(ATTEMPTS):
            for file in files:
                self.one(file, moved)
            if self.revision.settled([file.name for file in files]):
                return
        raise HeadreuseError(f"{self.place}: other processes evict its files at once; give a larger keep")

    def one(self, file: HubFile, moved: Callable[[int], None] = lambda _n: None) -> Path:
        """Bring one unless it is there; raises where it comes with another size or checksum than the Hub says."""
        path = self.revision.folder / file.name
        for _ in range(ATTEMPTS):
            if is_whole(path, file):
                return path
            if self.client.offline:
                raise HeadreuseError(not_there(self.place, file.name, self.revision.cache))
            self.revision.drop(file.name)
            self.client.download(file, self.revision.commit, self.revision.cache, self.place, moved)
        if is_whole(path, file):
            return path
        self.revision.drop(file.name)
        raise HeadreuseError(
            f"{self.place}: {file.name} comes damaged: it is not as the Hub lists it; run again, or see to proxies"
        )


def not_there(place: str, what: str, cache: Path) -> str:
    """The line about what is missing where the Hub may not be asked."""
    return f"{place}: {what} is not whole in the cache {cache}, and HF_HUB_OFFLINE is set; unset it and run again"
