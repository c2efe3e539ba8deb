"""Errors that a user can mend, each in one line: what is wrong, where, and what would be right."""

from difflib import get_close_matches


class HeadreuseError(Exception):
    """A mistake or a condition that the user can mend; its message says all there is to say."""


class UnknownNameError(HeadreuseError, LookupError):
    """A name that nothing is registered under."""


def nearest(name: str, choices: list[str]) -> str:
    """` (did you mean 'x'?)` with the choice most similar to `name`; empty if none is similar."""
    close = get_close_matches(name, choices, n=1, cutoff=0.5)
    return f" (did you mean {close[0]!r}?)" if close else ""
