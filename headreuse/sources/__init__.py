"""Where checkpoints come from: one source a file.

A source is a `study.runs.Source`, and a `study.source_specs.SourceSpec` under `@source_spec("key")` opens it for the
groups of a study file that have this key. Groups that name no source are trained here.
"""

from headreuse.errors import HeadreuseError
from headreuse.sources.trained import Trained
from headreuse.store.folder import RunFolder
from headreuse.study.group import Group
from headreuse.study.runs import Run, Source

__all__ = ["Run", "Source", "Trained", "look_again", "runs_of", "source_of"]


def source_of(group: Group, folder: RunFolder) -> Source:
    """Where the checkpoints of a group come from."""
    return Trained(folder.root, folder.study) if group.source is None else group.source.open(folder.root)


def runs_of(folder: RunFolder) -> tuple[Run, ...]:
    """All runs of a run folder's study: group by group, each group's in the order of its labels."""
    study = folder.study
    sources = [(group, source_of(group, folder)) for group in study.groups]
    return tuple(Run(group, label, source) for group, source in sources for label in source.labels(study, group))


def look_again(folder: RunFolder) -> None:
    """Before work begins: take up checkpoints that have been added to the series of a study."""
    for group in folder.study.groups:
        try:
            source_of(group, folder).look_again(folder.study, group)
        except HeadreuseError as error:
            raise HeadreuseError(f"{group.name}: {error}") from None
