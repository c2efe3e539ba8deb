"""A series opened in Python: `for checkpoint in open_series("out/"): mean_ablation(checkpoint.model(), prompts)`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, overload

from pydantic import ValidationError

from headreuse.errors import HeadreuseError
from headreuse.prompts import Encoder, encoder_of
from headreuse.records.shown import LONGEST_TEXT, Shown, in_short, table
from headreuse.sources.series.base import Entry, Origin
from headreuse.sources.series.folders import SEED, is_path
from headreuse.sources.series.known import repository_of
from headreuse.sources.series.local import LocalOrigin
from headreuse.sources.series.selection import Revisions
from headreuse.study.explaining import explain

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MOST_ROWS = 40
"""Checkpoints in the table that a notebook shows of a series."""

Where = str | Path | Sequence[str | Path]
"""A path, a pattern with `{seed}`, a known name, `owner/name` on the Hub, or a list of these."""


@dataclass(frozen=True, repr=False)
class SeriesCheckpoint(Shown):
    """One checkpoint of a series; its weights are on no device until `model` is called."""

    entry: Entry
    origin: Origin
    allow_pickles: bool = False

    @property
    def step(self) -> int:
        """Of training."""
        return self.entry.step

    @property
    def tokens(self) -> int | None:
        """Seen in training, where that is known."""
        return self.entry.tokens

    @property
    def run(self) -> str:
        """The training run that it belongs to; empty where the series has one."""
        return self.entry.run

    @property
    def fingerprint(self) -> str:
        """What its model and tokenizer are told apart by."""
        return self.entry.fingerprint

    def files(self) -> AbstractContextManager[Path]:
        """The folder with its files, checked, and downloaded if need be, for as long as the block lasts."""
        return self.origin.ready(self.entry)

    def model(self, *, dtype: str = "float32", device: "str | torch.device" = "cpu") -> "PreTrainedModel":
        """The model, loaded anew at each call and ready to answer; `dtype` is "float32" or "bfloat16"."""
        # Torch takes seconds to load.
        from headreuse.models.checkpoints import load_model

        with self.files() as folder:
            return load_model(folder, dtype=dtype, device=device, allow_pickles=self.allow_pickles)

    @cached_property
    def encoder(self) -> Encoder:
        """How examples of the package's own tasks become its token ids: what `make_prompts` takes."""
        with self.files() as folder:
            return encoder_of(folder)

    @cached_property
    def tokenizer(self) -> "PreTrainedTokenizerBase":
        """The tokenizer beside the weights; raises `HeadreuseError` where there is none that fits."""
        from headreuse.models.checkpoints import load_tokenizer

        with self.files() as folder:
            return load_tokenizer(folder)

    def __str__(self) -> str:
        return f"{self.entry.place} (step {self.step:,})"

    def shown_fields(self, longest: int = LONGEST_TEXT) -> dict[str, str]:
        """Where it lies, and how far it was trained."""
        known = {"place": self.entry.place, "step": self.step, "run": self.run or None, "tokens": self.tokens}
        known["fingerprint"] = self.fingerprint
        return {name: in_short(value, longest) for name, value in known.items() if value is not None}


@dataclass(frozen=True, repr=False)
class CheckpointSeries(Sequence[SeriesCheckpoint]):
    """The checkpoints of one or several training runs, run by run in the order of their steps."""

    checkpoints: tuple[SeriesCheckpoint, ...]
    """Those that can be used."""
    skipped: tuple[Entry, ...]
    """The others, each with its `problem`."""

    def __len__(self) -> int:
        return len(self.checkpoints)

    def __iter__(self) -> Iterator[SeriesCheckpoint]:
        return iter(self.checkpoints)

    @overload
    def __getitem__(self, index: int) -> SeriesCheckpoint: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[SeriesCheckpoint]: ...
    def __getitem__(self, index: int | slice) -> SeriesCheckpoint | Sequence[SeriesCheckpoint]:
        return self.checkpoints[index]

    def __repr__(self) -> str:
        runs: dict[str, list[int]] = {}
        for checkpoint in self.checkpoints:
            runs.setdefault(checkpoint.run, []).append(checkpoint.step)
        lines = [f"{len(self)} checkpoints"]
        for run, steps in runs.items():
            shown = ", ".join(map(str, steps if len(steps) <= 6 else [*steps[:3], "…", *steps[-2:]]))
            lines.append(f"  {run + ': ' if run else ''}steps {shown}")
        lines += [f"  left out: {entry.place}: {entry.problem}" for entry in self.skipped]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        columns = {
            "run": [at.run for at in self.checkpoints],
            "step": [f"{at.step:,}" for at in self.checkpoints],
            "tokens": ["" if at.tokens is None else f"{at.tokens:,}" for at in self.checkpoints],
            "fingerprint": [at.fingerprint[:12] for at in self.checkpoints],
        }
        # A series of one run has no names of runs, and most say nothing of tokens.
        columns = {name: cells for name, cells in columns.items() if any(cells)}
        head, rows = list(columns), list(zip(*columns.values(), strict=True))
        if len(rows) > MOST_ROWS:
            rows[MOST_ROWS - 1 : -1] = [(f"… {len(rows) - MOST_ROWS} more", *[""] * (len(head) - 1))]
        left_out = table("left out", ("place", "why"), [(entry.place, entry.problem) for entry in self.skipped])
        return table(f"{len(self)} checkpoints", head, rows) + (left_out if self.skipped else "")


def open_series(
    where: Where,
    *,
    revisions: Revisions | Mapping[str, object] | None = None,
    keep: str | int | None = None,
    allow_pickles: bool = False,
) -> CheckpointSeries:
    """A series of checkpoints, listed and verified as far as that needs no download.

    Args:
        where: A folder of checkpoints or of runs, a single model, a pattern such as `run-seed{seed}`, a repository
            `owner/name` on the Hub, a known name such as `pythia-160m`, or a list of these.
        revisions: Which of them, for example `{"log_spaced": 12}`; all where nothing is said.
        keep: How much of what is downloaded stays on the disk, such as "20 GB".
        allow_pickles: Whether weights may be read from `.bin` files, as tensors alone, where there is nothing else.
    """
    choice = revisions if isinstance(revisions, Revisions) else _chosen(revisions or {})
    origins = origins_at(where, keep=keep, allow_pickles=allow_pickles, with_text=False)
    found = [
        SeriesCheckpoint(entry, origin, allow_pickles)
        for name, origin in origins.items()
        for entry in choice.pick(_named(origin.entries(), name if len(origins) > 1 else ""))
    ]
    usable = tuple(checkpoint for checkpoint in found if not checkpoint.entry.problem)
    return CheckpointSeries(usable, tuple(checkpoint.entry for checkpoint in found if checkpoint.entry.problem))


def origins_at(
    where: Where, *, keep: str | int | None = None, allow_pickles: bool = False, with_text: bool = True
) -> dict[str, Origin]:
    """The origins of a series by name: one for all places on this machine, and one for each repository."""
    places = [where] if isinstance(where, str | Path) else list(where)
    local = [place for place in places if _is_local(place)]
    origins: dict[str, Origin] = {}
    if local:
        origins[str(local[0])] = LocalOrigin(local, allow_pickles=allow_pickles, with_text=with_text)
    for place in places:
        if place not in local:
            # Needs a library that only a Hub needs.
            from headreuse.sources.series.hub import HubOrigin

            origins[str(place)] = HubOrigin(repository_of(str(place)), keep=keep, allow_pickles=allow_pickles)
    return origins


def _chosen(revisions: Mapping[str, object]) -> Revisions:
    try:
        return Revisions.model_validate(revisions)
    except ValidationError as error:
        lines, _ = explain(error, Revisions)
        raise HeadreuseError("; ".join(f"revisions.{line}" for line in lines)) from None


def _is_local(place: str | Path) -> bool:
    return isinstance(place, Path) or SEED in place or is_path(place)


def _named(entries: Sequence[Entry], name: str) -> list[Entry]:
    """Entries of one origin among several, so that their runs are told apart."""
    return [replace(entry, run=entry.run or name) for entry in entries]
