"""What a report is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from headreuse.figures import RunPattern
from headreuse.study.config import Study
from headreuse.study.group import Group


@dataclass(frozen=True)
class ReportInputs:
    """The tables of a run folder and where they come from; a table may be empty, and may have NaN and more columns."""

    study: Study
    versions: Mapping[str, str]
    """Versions of the packages that the numbers depend on, by name."""
    command: str
    accuracy: pd.DataFrame
    head_scores: pd.DataFrame
    transfer: pd.DataFrame
    overlap: pd.DataFrame
    correlation: pd.DataFrame
    patterns: Sequence[RunPattern] = field(default=())
    """Those of each task at the last checkpoint of each run."""
    problems: Sequence[str] = field(default=())
    """What failed or was left out, one line each."""
    functional_overlap: pd.DataFrame = field(default_factory=pd.DataFrame)
    """What ablating one task's top heads costs another."""
    ablation_by_length: pd.DataFrame = field(default_factory=pd.DataFrame)
    """What main loses at each length without the heads that it shares."""
    arms: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Groups of one family against each other."""
    synergy: pd.DataFrame = field(default_factory=pd.DataFrame)
    """What two heads do together beyond what each does, at the last checkpoint of each run."""
    training_log: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Accuracy while each model was trained."""
    clocks: pd.DataFrame = field(default_factory=pd.DataFrame)
    """When each run reaches each level of accuracy."""
    checkpoints: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Where each checkpoint lies, and the tokens that it has seen."""
    lined_up: Mapping[str, bool] = field(default_factory=dict)
    """Whether the prompts of a task have one layout, by the task; without those for which that is not known."""
    studies: Mapping[str, Study] = field(default_factory=dict)
    """Where several studies are joined: each by its label; `study` then has the groups of all."""
    _places: dict[str, Mapping[Any, Any]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Where the rows of each group stand in a table, found once: a report asks for them hundreds of times."""

    def __post_init__(self) -> None:
        """Texts as plain objects: a page takes thousands of small parts of a table, at which pandas' own are slow."""
        for name, value in list(vars(self).items()):
            if isinstance(value, pd.DataFrame):
                texts: dict[Any, Any] = dict.fromkeys(value.select_dtypes("string"), object)
                object.__setattr__(self, name, value.astype(texts))

    def of_group(self, table: str, group: Group) -> pd.DataFrame:
        """The rows of one group in the table of that name; none where the table is empty."""
        frame: pd.DataFrame = getattr(self, table)
        if not len(frame):
            return frame
        if table not in self._places:
            self._places[table] = frame.groupby("group", sort=False).indices
        return frame.iloc[self._places[table].get(group.name, [])]
