"""Do two tasks use the same attention heads, and does that predict how well one extrapolates because of the other?"""

__version__ = "0.2.0"

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headreuse.sources.series.opening import open_series as open_series


def __getattr__(name: str) -> Any:
    """`open_series`, loaded when it is asked for: importing the package alone stays quick."""
    if name == "open_series":
        from headreuse.sources.series.opening import open_series

        return open_series
    raise AttributeError(f"module 'headreuse' has no attribute {name!r}")
