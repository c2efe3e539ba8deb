"""A series on the Hub: its branches and tags with a step in their names, each downloaded when it is needed."""

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from headreuse.errors import HeadreuseError
from headreuse.sources.series.base import Entry, Origin
from headreuse.sources.series.cache import Listing, Revision, cache_folder, in_words, size_in_bytes
from headreuse.sources.series.eviction import drop_drafts, evict
from headreuse.sources.series.hub_download import Download, OnProgress, not_there
from headreuse.sources.series.hub_files import COMMIT, CONFIGURATION, SMALL, HubFile, is_whole, needed
from headreuse.sources.series.known import REPO
from headreuse.sources.series.names import in_order, parse_name

if TYPE_CHECKING:
    from headreuse.sources.series.hub_client import HubClient

ONLY = "main"
"""The branch of a repository that has one model and no series."""
SHARED = "its commit has a name with another step too, so one of them is wrong; its owner can tell which"


def silent(_fraction: float, _words: str) -> None:
    """Nothing is told."""


@dataclass(frozen=True)
class HubOrigin(Origin):
    """A repository `owner/name` on the Hub that `HF_ENDPOINT` names."""

    repo: str
    keep: int | str | None = None
    """How many bytes of revisions may stay in the cache (`"20 GB"`), but for those in use; None for all."""
    allow_pickles: bool = False
    """Whether `.bin` files are downloaded where there is nothing else."""
    on_progress: OnProgress = silent

    def __post_init__(self) -> None:
        if not REPO.fullmatch(self.repo) or ".." in self.repo or "--" in self.repo:
            raise HeadreuseError(f"{self.repo!r} is no repository of the Hub; give it as owner/name")
        size_in_bytes(self.keep)

    def entries(self) -> tuple[Entry, ...]:
        """The revisions that are there at this moment; of a repository without steps in its names, `main` as step 0."""
        entries = _entries(self.repo, self._refs())
        if not entries:
            raise HeadreuseError(f"{self.repo}: no branch or tag says a step, and there is no {ONLY}; give another one")
        return entries

    @contextmanager
    def ready(self, entry: Entry) -> Iterator[Path]:
        """The folder with an entry's files, downloaded where they are not in the cache, each with its checksum checked.

        Raises `HeadreuseError` where they cannot be had. Afterwards what is more than `keep` is evicted.
        """
        revision = self._revision(entry)
        try:
            with revision.used():
                self._bring(revision, entry.place)
                yield revision.folder
        finally:
            self._evict(revision.cache)

    def glance(self, entry: Entry) -> tuple[Path | None, tuple[HubFile, ...]]:
        """The configuration of an entry and all its files as the Hub lists them, without bringing its weights.

        None where it has no configuration; both are empty where the Hub may not be asked and nothing of it is here.
        """
        revision, client = self._revision(entry), self._client()
        if client.offline and not (revision.folder / CONFIGURATION).is_file():
            return None, ()
        with revision.used():
            listed = self._listed(client, revision, entry.place)
            download = Download(client, revision, entry.place, self.on_progress)
            found = [download.one(file) for file in listed if file.name == CONFIGURATION]
        return (found[0] if found else None), listed

    @contextmanager
    def small_files(self, entry: Entry) -> Iterator[Path]:
        """The folder with an entry's configuration and tokenizer, downloaded where they are not in the cache."""
        revision, client = self._revision(entry), self._client()
        download = Download(client, revision, entry.place, self.on_progress)
        with revision.used():
            for file in self._listed(client, revision, entry.place):
                if file.name in SMALL:
                    download.one(file)
            yield revision.folder

    def _client(self) -> "HubClient":
        # The client's library takes half a second to load, and commands that only list what is measured need none.
        from headreuse.sources.series.hub_client import HubClient

        return HubClient(self.repo, lambda words: self.on_progress(0.0, words))

    def _refs(self) -> dict[str, str]:
        """The commits of branches and tags, as the Hub says now, or said last where it may not be asked."""
        client, kept = self._client(), Listing(cache_folder(), self.repo)
        if client.offline and (refs := kept.read()):
            self.on_progress(
                0.0, f"{self.repo}: offline, so its revisions are those of the last time that they were read"
            )
            return refs
        refs = client.refs()
        kept.write(refs)
        return refs

    def _revision(self, entry: Entry) -> Revision:
        if entry.problem:
            raise HeadreuseError(f"{entry.place}: {entry.problem}")
        if not COMMIT.fullmatch(entry.fingerprint):
            raise HeadreuseError(f"{entry.place}: {entry.fingerprint!r} is no commit; list the revisions again")
        return Revision(cache_folder(), self.repo, entry.fingerprint)

    def _bring(self, revision: Revision, place: str) -> None:
        """Download what is missing or damaged of the files that are needed."""
        client = self._client()
        if not client.offline:
            drop_drafts(revision)
        listed = self._listed(client, revision, place)
        download = Download(client, revision, place, self.on_progress)
        plan = needed(listed, place, download.one, allow_pickles=self.allow_pickles)
        missing = [file for file in plan.files if not is_whole(revision.folder / file.name, file)]
        if not missing:
            return
        if client.offline:
            raise HeadreuseError(not_there(place, missing[0].name, revision.cache))
        self._make_room(revision.cache, sum(file.size for file in missing), place)
        download.all(missing)

    def _listed(self, client: "HubClient", revision: Revision, place: str) -> tuple[HubFile, ...]:
        """The files of a revision, which its commit fixes for ever; offline, those that somebody has brought."""
        listed = revision.listed() or (revision.found() if client.offline else None)
        if listed:
            return listed
        if client.offline:
            raise HeadreuseError(not_there(place, "it", revision.cache))
        listed = client.files(revision.commit, place)
        revision.note_listed(listed)
        return listed

    def _make_room(self, cache: Path, coming: int, place: str) -> None:
        """Evict what is more than may stay, and raise where the disk has no room for what comes."""
        self._evict(cache, coming=coming)
        free = shutil.disk_usage(cache).free
        if coming > free:
            raise HeadreuseError(
                f"{place}: {in_words(coming)} are needed and {in_words(free)} free in {cache}; "
                "free some space, set keep, or name another disk by HF_HUB_CACHE"
            )

    def _evict(self, cache: Path, *, coming: int = 0) -> None:
        keep = size_in_bytes(self.keep)
        if keep is not None:
            for line in evict(cache, keep, coming=coming):
                self.on_progress(1.0, line)


def _entries(repo: str, refs: dict[str, str]) -> tuple[Entry, ...]:
    """One for each commit that a name with a step stands for; of names that say the same, the one that says most."""
    steps = {name: found for name in refs if (found := parse_name(name))}
    if not steps:
        return (Entry("", ONLY, 0, None, refs[ONLY], f"{repo}@{ONLY}"),) if ONLY in refs else ()
    chosen: dict[tuple[str, int, int], str] = {}
    for name, found in sorted(steps.items(), key=lambda item: (item[1].tokens is None, len(item[0]), item[0])):
        chosen.setdefault((refs[name], found.stage, found.step), name)
    shared = {commit for commit, n in Counter(commit for commit, _, _ in chosen).items() if n > 1}
    entries = []
    for name, place in in_order(chosen.values()).items():
        problem = place.problem or (SHARED if refs[name] in shared else "")
        commit = "" if problem else refs[name]
        entries.append(Entry("", name, place.step, place.tokens, commit, f"{repo}@{name}", problem))
    return tuple(sorted(entries, key=lambda entry: entry.step))
