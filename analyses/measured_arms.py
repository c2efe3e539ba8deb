"""The arms of finished studies: what was trained, and how far main got at the last step of each seed.

A study is a run folder, or what `analyses.collect` has kept of one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from headreuse.errors import HeadreuseError
from headreuse.prompts import Vocabulary
from headreuse.store.folder import RunFolder
from headreuse.study import Group, Study, TaskRange, parse_study
from headreuse.tables.make import make_tables
from headreuse.tables.reach import max_len_at
from headreuse.tables.transfer import curves

REACHED = 0.5
"""A length is reached where main is right on this share of its prompts, and of those of every shorter length."""

LEARNED = 0.9
"""Main is learned where it is right on this share of the prompts of its training lengths."""


class Auxiliary(NamedTuple):
    """A task that main is trained beside."""

    task: str
    max_length: int
    """The longest length that it is trained on."""
    heads: tuple[int, ...] | None = None
    """The heads of every layer that it may use; None for all."""


Auxiliaries = frozenset[Auxiliary]
Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True)
class Arm:
    """One way to train a main task, and how far it got."""

    name: str
    """`folder/group`."""
    twins: str | None
    """See `Group.twins`."""
    main: TaskRange
    auxiliary: Auxiliaries
    kind: str
    position: str
    end: int
    """Where the transfer range of main ends."""
    settings: Mapping[str, Any]
    """All else that training depends on."""
    vocabulary: Vocabulary
    main_symbols: tuple[str, ...]
    measured: pd.DataFrame
    """By seed (index), at the last step: accuracy_in_distribution, accuracy_transfer, accuracy_beyond, gap, and reach
    (0 is main's longest training length, 1 is `end`)."""

    @property
    def trained_to(self) -> int:
        """The longest length that any of its tasks is trained on."""
        return max(self.main.max_length, *(one.max_length for one in self.auxiliary), 0)

    @property
    def unlearned(self) -> list[int]:
        """Seeds whose main task is not learned, so that nothing could transfer."""
        accuracy = self.measured["accuracy_in_distribution"]
        return list(accuracy.index[accuracy < LEARNED])

    def values(self, quantity: str) -> pd.Series:
        """A quantity by seed; the gap only where main is learned, since two tasks that both fail have no gap."""
        values = self.measured[quantity].dropna()
        return values.drop(self.unlearned, errors="ignore") if quantity == "gap" else values

    def is_comparable(self, other: "Arm") -> bool:
        """Whether both have the same main task, trained to the same length, and the same transfer range."""
        return self.main == other.main and self.end == other.end

    def starts_like(self, other: "Arm") -> bool:
        """Whether the same seed gives both the same initial weights, and main's tokens the same embeddings."""
        if self.twins != other.twins:
            return False
        mine, others = self.vocabulary, other.vocabulary
        alike = len(mine) == len(others) and all(mine.id(s) == others.id(s) for s in self.main_symbols)
        return alike and not any(name.startswith("model.") for name in self.differences(other))

    def differences(self, other: "Arm") -> dict[str, str]:
        """Settings that differ, with both values."""
        return {
            name: f"{name} {value} / {other.settings[name]}"
            for name, value in self.settings.items()
            if value != other.settings[name]
        }


def read_arms(paths: Sequence[Path]) -> list[Arm]:
    """The arms of finished studies; runs that have not reached their last step are left out."""
    by_kind: dict[tuple[Any, ...], Arm] = {}
    names = [path.resolve().name for path in paths]
    if len(set(names)) < len(names):
        raise HeadreuseError(f"{', '.join(map(str, paths))}: two folders of one name; copy one under another name")
    for path in paths:
        study, tables = read_tables(path)
        if study.tasks:
            raise HeadreuseError(f"{path}: it has tasks of its own, which are not executed here; leave it out")
        for group in study.groups:
            arm = arm_of(path.resolve().name, study, group, tables)
            settings = tuple((name, str(value)) for name, value in arm.settings.items())
            key = (arm.twins, arm.main, arm.auxiliary, arm.kind, arm.position, arm.end, settings)
            by_kind[key] = _joined(by_kind[key], arm) if key in by_kind else arm
    return list(by_kind.values())


def read_tables(path: Path) -> tuple[Study, Tables]:
    """A study with its tables accuracy and transfer."""
    return _kept(path) if (path / "transfer.csv").is_file() else _run_folder(path)


def _run_folder(path: Path) -> tuple[Study, Tables]:
    folder = RunFolder.open(path)
    return folder.study, make_tables(folder)


def _kept(path: Path) -> tuple[Study, Tables]:
    """What `analyses.collect` wrote."""
    try:
        raw = json.loads((path / "study.json").read_text(encoding="utf-8"))["study"]
        tables = {name: pd.read_csv(path / f"{name}.csv") for name in ("accuracy", "transfer")}
    except (OSError, ValueError, KeyError) as error:
        raise HeadreuseError(f"{path}: not what analyses.collect writes ({error!r})") from None
    return parse_study(raw, str(path / "study.json")), tables


def arm_of(label: str, study: Study, group: Group, tables: Tables) -> Arm:
    """A group's arm from the tables accuracy and transfer."""
    model = study.model_of(group)
    sizes = model.model_dump(exclude={"position"})
    sizes |= {"d_mlp": model.d_mlp or 4 * model.d_model, "n_key_value_heads": model.n_key_value_heads or model.n_heads}
    training = group.training.model_dump(exclude={"checkpoints", "log_every"})
    tasks = [study.task(entry.task) for entry in group.tasks]
    settings = {f"model.{name}": value for name, value in sizes.items()}
    settings |= {f"training.{name}": value for name, value in training.items()}
    settings |= {"data_seed": study.data_seed, "n_symbols": len(tasks[0].alphabet)}
    settings |= {"heads of main": group.heads_of(group.main.task) or "all"}
    return Arm(
        name=f"{label}/{group.name}",
        twins=group.twins,
        main=group.main,
        auxiliary=frozenset(
            Auxiliary(entry.task, entry.max_length, group.heads_of(entry.task)) for entry in group.auxiliary
        ),
        kind=group.kind,
        position=model.position,
        end=group.transfer_to,
        settings=settings,
        vocabulary=Vocabulary.of(tasks),
        main_symbols=(tasks[0].marker, *tasks[0].alphabet),
        measured=_last_step(group, tables),
    )


def _joined(first: Arm, second: Arm) -> Arm:
    """The runs of two arms as one arm; a seed that both have is the same run and counts once."""
    more = second.measured[~second.measured.index.isin(first.measured.index)]
    return replace(first, measured=pd.concat([first.measured, more]).sort_index())


def _last_step(group: Group, tables: Tables) -> pd.DataFrame:
    accuracy, transfer = tables["accuracy"], tables["transfer"]
    last = group.training.steps
    rows = transfer[(transfer["group"] == group.name) & (transfer["step"] == last)].set_index("seed")
    of_main = curves(accuracy[accuracy["step"] == last], group)[group.main.task].dropna()
    reach = of_main.groupby(level="seed").apply(_reached).reindex(rows.index)
    way = group.transfer_to - group.main.max_length
    measured = rows[["accuracy_in_distribution", "accuracy_transfer", "accuracy_beyond", "gap"]]
    return measured.assign(reach=(reach - group.main.max_length) / way if way else np.nan)


def _reached(curve: pd.Series) -> float:
    """The longest length that one seed reaches; where it reaches none, one below the shortest."""
    return float(max_len_at(curve.droplevel(["seed", "step"]), REACHED))
