"""Versions of this package and of the libraries that its results depend on."""

import contextlib
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from headreuse import __version__

LIBRARIES = ("torch", "transformers", "transformer-lens", "numpy", "scipy", "pandas", "plotly")


@cache
def versions() -> dict[str, str]:
    """By name, read without importing the libraries; once in a process, since reading takes a fifth of a second."""
    found = {"headreuse": __version__}
    for name in LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
