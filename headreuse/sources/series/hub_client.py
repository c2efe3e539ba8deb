"""What is asked of a Hub: again where waiting may help, and told in one line where it does not."""

import itertools
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import HfApi, constants, hf_hub_download
from huggingface_hub.errors import OfflineModeIsEnabled
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status, tqdm

from headreuse.errors import HeadreuseError
from headreuse.sources.series.hub_errors import WAITS, Request, cause_of, line, reason, seconds_to_wait
from headreuse.sources.series.hub_files import COMMIT, HubFile

TIMEOUT = 30.0
"""Seconds without an answer to a question; for files the client has its own, `HF_HUB_DOWNLOAD_TIMEOUT`."""
HUGGING_FACE = "https://huggingface.co"
T = TypeVar("T")


class HubClient:
    """Asks the Hub that `HF_ENDPOINT` names for one repository; `tell` is given a line where that takes long."""

    def __init__(self, repo: str, tell: Callable[[str], None]) -> None:
        self.repo = repo
        self.tell = tell
        self.offline = is_offline()
        self.endpoint = (os.environ.get("HF_ENDPOINT") or HUGGING_FACE).rstrip("/")

    def refs(self) -> dict[str, str]:
        """The names of branches and tags, each with its commit."""

        def ask() -> dict[str, str]:
            listed = self._refs()
            refs = {str(ref["name"]): str(ref["targetCommit"]) for kind in ("tags", "branches") for ref in listed[kind]}
            if not all(COMMIT.fullmatch(commit) for commit in refs.values()):
                raise ValueError("a commit is no hash")
            return refs

        return self._asked(ask, self.repo)

    def files(self, commit: str, place: str) -> tuple[HubFile, ...]:
        """The files of a commit."""
        api = HfApi(endpoint=self.endpoint)

        def ask() -> Any:
            return api.model_info(self.repo, revision=commit, files_metadata=True, timeout=TIMEOUT).siblings

        return tuple(
            HubFile(file.rfilename, file.size or 0, file.lfs.sha256 if file.lfs else file.blob_id or "")
            for file in self._asked(ask, place) or ()
        )

    def download(self, file: HubFile, commit: str, cache: Path, place: str, moved: Callable[[int], None]) -> None:
        """Bring a file of a commit into the cache; `moved` is given the numbers of bytes as they come."""

        attempts = itertools.count()

        def ask() -> str:
            # Mirrors hand on that a file is in the store of another protocol, Xet, but do not speak it.
            plain = next(attempts) > 0 or self.endpoint != HUGGING_FACE
            with _without_xet() if plain else nullcontext():
                return hf_hub_download(
                    self.repo,
                    file.name,
                    revision=commit,
                    cache_dir=cache,
                    endpoint=self.endpoint,
                    tqdm_class=_bar(moved),
                )

        self._asked(ask, place, cache)

    def _refs(self) -> Any:
        # HfApi.list_repo_refs asks the same, but waits forever where no answer comes.
        response = get_session().get(
            f"{self.endpoint}/api/models/{self.repo}/refs", headers=build_hf_headers(), timeout=TIMEOUT
        )
        hf_raise_for_status(response)
        return response.json()

    def _asked(self, ask: Callable[[], T], place: str, cache: Path | None = None) -> T:
        """What is answered in the end, of as many attempts as may help."""
        request = Request(place, self.repo, self.endpoint, cache)
        if self.offline:
            raise HeadreuseError(line(OfflineModeIsEnabled(), request))
        for attempt in range(len(WAITS) + 1):
            try:
                with _heard(lambda: self.tell(f"{place}: the Hub answers badly; its client tries again")):
                    return ask()
            # The client of large files raises errors of any kind.
            except Exception as error:
                wait = seconds_to_wait(error, attempt)
                if wait is None:
                    raise HeadreuseError(line(cause_of(error), request)) from error
                self.tell(f"{place}: {reason(error)}; trying again in {wait} s")
                time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")


def is_offline() -> bool:
    """Whether the environment says, now or when the client was loaded, that nothing may be asked."""
    said = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return said.upper() in constants.ENV_VARS_TRUE_VALUES or constants.is_offline_mode()


@contextmanager
def _without_xet() -> Iterator[None]:
    """Within the block, files come by plain HTTP."""
    before = constants.HF_HUB_DISABLE_XET
    constants.HF_HUB_DISABLE_XET = True
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_XET = before


@contextmanager
def _heard(tell: Callable[[], None]) -> Iterator[None]:
    """Within the block, what the client would print is told instead: its warnings, which are of further attempts."""

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.WARNING and "etry" in record.getMessage():
                tell()

    logger = logging.getLogger("huggingface_hub")
    handlers, logger.handlers = logger.handlers, [Ear()]
    try:
        yield
    finally:
        logger.handlers = handlers


def _bar(moved: Callable[[int], None]) -> type[tqdm]:
    """A progress bar that shows nothing and hands on what comes."""

    class Silent(tqdm):
        def __init__(self, *arguments: Any, **settings: Any) -> None:
            super().__init__(*arguments, **(settings | {"disable": True}))

        def update(self, n: float | None = 1) -> None:
            moved(int(n or 0))

        def update_transfer(self, n: float) -> None:
            """Of bytes on the way; only those that have come count."""

        def set_transfer_postfix_str(self, *_arguments: Any, **_settings: Any) -> None:
            """Speeds are not shown."""

    return Silent
