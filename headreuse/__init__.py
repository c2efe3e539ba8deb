"""Do two tasks use the same attention heads, and does that predict how well one extrapolates because of the other?"""

__version__ = "0.2.0"

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headreuse.interventions.transplant import transplant as transplant
    from headreuse.report.printing import save_figure as save_figure
    from headreuse.sources.series.opening import open_series as open_series

_PUBLIC = {
    "open_series": "headreuse.sources.series.opening",
    "save_figure": "headreuse.report.printing",
    "transplant": "headreuse.interventions.transplant",
}


def __getattr__(name: str) -> Any:
    """A public function, loaded when it is asked for: importing the package alone stays quick."""
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'headreuse' has no attribute {name!r}")
