"""What the model of a repository on the Hub is, from its configuration and the sizes of its files alone."""

from collections.abc import Sequence

from headreuse.sources.series.about import About, about_config, settings_in
from headreuse.sources.series.base import Entry, Origin
from headreuse.sources.series.hub import HubOrigin
from headreuse.sources.series.hub_files import HubFile


def about_last(origin: Origin, entries: Sequence[Entry]) -> About | None:
    """What the last usable revision is; None where there is none, or nothing of it is here while offline."""
    usable = [entry for entry in entries if not entry.problem]
    if not isinstance(origin, HubOrigin) or not usable:
        return None
    file, files = origin.glance(usable[-1])
    config = settings_in(file) if file else {}
    return about_config(config, n_bytes=_n_bytes(files)) if config else None


def _n_bytes(files: Sequence[HubFile]) -> int:
    """Of the weights that would be downloaded."""
    safe = [file.size for file in files if file.name.startswith("model") and file.name.endswith(".safetensors")]
    pickled = [file.size for file in files if file.name.startswith("pytorch_model") and file.name.endswith(".bin")]
    return sum(safe or pickled)
