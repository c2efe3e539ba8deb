"""Series on this machine's disks: folders of a Trainer, folders with a step in their names, single models."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from headreuse.errors import HeadreuseError
from headreuse.records import Checkpoint
from headreuse.sources.series.base import Entry, Origin
from headreuse.sources.series.folders import runs_in
from headreuse.sources.series.names import Progress, in_order
from headreuse.store.fingerprints import sha256_of


@dataclass(frozen=True)
class LocalOrigin(Origin):
    """One folder or several: of checkpoints, of runs, a single model, or a pattern such as `run-seed{seed}`.

    What lies beside the weights, such as a Trainer's pickles of its optimizer, is never read.
    """

    where: str | Path | Sequence[str | Path]
    allow_pickles: bool = False
    """Whether weights may be read from `.bin` files, as tensors alone, where there is nothing else."""
    with_text: bool = True
    """Whether text will be put to the models, so that each needs its tokenizer."""
    sha256: Callable[[Path], str] = sha256_of
    """Gives the SHA-256 of a file; that of one which has not changed may be remembered."""

    def entries(self) -> tuple[Entry, ...]:
        """All that are there, each verified; raises `HeadreuseError` where there are no checkpoints at all."""
        places = [self.where] if isinstance(self.where, str | Path) else self.where
        runs = runs_in([Path(place) for place in places])
        return tuple(
            self._entry(run if len(runs) > 1 else "", path, progress)
            for run, paths in runs.items()
            for path, progress in _placed(paths).items()
        )

    @contextmanager
    def ready(self, entry: Entry) -> Iterator[Path]:
        """The folder itself, when its files are those that were listed."""
        # Loads torch, which only listing and measuring need.
        from headreuse.models.checkpoints import verify_same

        path = Path(entry.place)
        if entry.problem:
            raise HeadreuseError(f"{path}: {entry.problem}")
        same = Checkpoint(path, entry.step, entry.fingerprint)
        verify_same(same, allow_pickles=self.allow_pickles, sha256=self.sha256)
        yield path

    def _entry(self, run: str, path: Path, progress: Progress) -> Entry:
        from headreuse.models.checkpoints import CheckpointError

        entry = Entry(run, path.name, progress.step, progress.tokens, "", str(path), progress.problem)
        if entry.problem:
            return entry
        try:
            return replace(entry, fingerprint=self._verified(path))
        except CheckpointError as error:
            return replace(entry, problem=str(error).removeprefix(f"{path}: "))

    def _verified(self, path: Path) -> str:
        """The fingerprint of a checkpoint that is whole; raises `CheckpointError` for others."""
        from headreuse.models.checkpoints import fingerprint_of, verify
        from headreuse.models.model_files import check_tokenizer

        sha256 = cache(self.sha256)
        verify(path, allow_pickles=self.allow_pickles, sha256=sha256)
        if self.with_text:
            check_tokenizer(path, sha256=sha256)
        return fingerprint_of(path, allow_pickles=self.allow_pickles, sha256=sha256)


def _placed(paths: Sequence[Path]) -> dict[Path, Progress]:
    """The checkpoints of one run in the order of training; a name without a step has the one that its Trainer noted."""
    named = in_order(path.name for path in paths)
    found = {path: named.get(path.name, Progress(0, None)) for path in paths}
    told = {path: _as_trainer_noted(path, progress, path.name in named) for path, progress in found.items()}
    return dict(sorted(told.items(), key=lambda item: (item[1].step, bool(item[1].problem))))


def _as_trainer_noted(path: Path, progress: Progress, has_step: bool) -> Progress:
    """Step and tokens from `trainer_state.json` where the name does not say them."""
    try:
        state = json.loads((path / "trainer_state.json").read_bytes())
        step, tokens = state["global_step"], state.get("num_input_tokens_seen")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return progress
    if not has_step and isinstance(step, int) and step >= 0:
        progress = replace(progress, step=step)
    if progress.tokens is None and isinstance(tokens, int) and tokens > 0:
        progress = replace(progress, tokens=tokens)
    return progress
