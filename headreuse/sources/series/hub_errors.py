"""What can go wrong with a Hub: whether waiting helps, and the line that says what would be right."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import httpx2
from huggingface_hub.errors import (
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import parse_ratelimit_headers

from headreuse.errors import nearest, one_line
from headreuse.sources.series.known import known_series

WAITS = (1, 2, 4, 8, 16, 32)
"""Seconds before each further attempt; where nothing answers at all, only the first two are waited."""
LONGEST_WAIT = 330
"""Seconds that a Hub may ask for: it counts requests in spans of five minutes."""
PASSING = {408, 425, 429, 500, 502, 503, 504}
"""Status codes of what may be over soon."""


@dataclass(frozen=True)
class Request:
    """What was asked."""

    place: str
    """`owner/name`, or `owner/name@revision`."""
    repo: str
    endpoint: str
    cache: Path | None = None
    """Where what comes is written."""


def line(error: Exception, request: Request) -> str:
    """What went wrong and what would be right."""
    if isinstance(error, HfHubHTTPError) and not isinstance(error, RevisionNotFoundError | RemoteEntryNotFoundError):
        return f"{request.place}: {_answered(error, request)}"
    return f"{request.place}: {_failed(error, request)}"


def _answered(error: HfHubHTTPError, request: Request) -> str:
    """Where the Hub has answered no."""
    status, page = error.response.status_code, f"{request.endpoint}/{request.repo}"
    if isinstance(error, GatedRepoError) and status == 403:
        return f"gated, and the account of HF_TOKEN has no access; ask for it at {page}"
    if isinstance(error, GatedRepoError):
        return f"gated; accept its licence at {page}, then set HF_TOKEN to a token of that account"
    if isinstance(error, RepositoryNotFoundError):
        hint = nearest(request.repo, [series.repo for series in known_series().values()])
        return f"no such repository at {request.endpoint}{hint}; see to the name, or set HF_TOKEN if it is private"
    if status in (401, 403):
        return "the Hub refuses the token; set HF_TOKEN to a valid one, or unset it"
    if status == 429:
        return "the Hub wants fewer requests; run again in some minutes (with HF_TOKEN it allows more)"
    if status in PASSING:
        return f"{reason(error)}, also after several attempts; run again later, what has come is kept"
    return f"{reason(error)}; see to HF_ENDPOINT ({request.endpoint})"


def _failed(error: Exception, request: Request) -> str:
    """Where there is no answer, or none that is of use."""
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, so the Hub is not asked; unset it for the first run"
    if isinstance(error, RevisionNotFoundError | RemoteEntryNotFoundError):
        return f"gone from the Hub; `headreuse checkpoints {request.repo}` lists what is there"
    if isinstance(error, FileMetadataError | ValueError | LookupError | TypeError):
        return f"{request.endpoint} does not answer as a Hub does; see to HF_ENDPOINT and proxies"
    if isinstance(error, httpx2.HTTPError):
        return (
            f"{reason(error)}; see to the network and HF_ENDPOINT ({request.endpoint}) and run again, "
            "or set HF_HUB_OFFLINE=1 to use what is in the cache"
        )
    # The client of large files is written in another language, whose errors hold the system's number as text.
    number = re.search(r"os error (\d+)", str(error))
    code = int(number[1]) if number else getattr(error, "errno", None)
    if code:
        return one_line(OSError(code, os.strerror(code)), request.cache or "", verb="written")
    return f"{reason(error)}; run again"


def cause_of(error: Exception) -> Exception:
    """What is behind the client's error that a file is not in the cache."""
    cause = error.__cause__
    return cause if isinstance(error, LocalEntryNotFoundError) and isinstance(cause, Exception) else error


def seconds_to_wait(error: Exception, attempt: int) -> float | None:
    """Seconds until it may work; None where waiting does not help, or no more."""
    # The client has tried these again already.
    if attempt == len(WAITS) or isinstance(error, LocalEntryNotFoundError | OfflineModeIsEnabled):
        return None
    if isinstance(error, HfHubHTTPError):
        wait = max(WAITS[attempt], _asked_for(error))
        return wait if error.response.status_code in PASSING and wait <= LONGEST_WAIT else None
    if isinstance(error, httpx2.ConnectError):
        return WAITS[attempt] if attempt < 2 else None
    if isinstance(error, httpx2.TransportError):
        return WAITS[attempt]
    # A file that came too short; the disk's errors have a number.
    short = isinstance(error, OSError) and error.errno is None
    lost = isinstance(error, RuntimeError) and "os error" not in str(error)
    return WAITS[attempt] if short or lost else None


def _asked_for(error: HfHubHTTPError) -> int:
    """Seconds for which the Hub asks to be left alone."""
    headers = error.response.headers
    said, limit = str(headers.get("Retry-After", "")), parse_ratelimit_headers(headers)
    # Every answer tells how many requests are left.
    used_up = limit is not None and limit.remaining == 0
    return max(limit.reset_in_seconds + 1 if limit and used_up else 0, int(said) if said.isdigit() else 0)


def reason(error: Exception) -> str:
    """In words, without addresses, which may hold signatures."""
    match error:
        case HfHubHTTPError():
            return f"the Hub answers {error.response.status_code} ({error.response.reason_phrase})"
        case httpx2.ConnectError():
            return "the Hub cannot be reached"
        case httpx2.TimeoutException():
            return "the Hub does not answer"
        case httpx2.TransportError():
            return "the connection to the Hub broke"
        case OSError() if error.errno is None:
            return "a file came incomplete"
    return re.sub(r"\S+://\S+", "…", (str(error).strip() or type(error).__name__).splitlines()[0])
