"""Outcomes of every prompt under the ablation of every head set; all scores that replace `z` come from here."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from headreuse.errors import HeadreuseError
from headreuse.evaluation import outcomes
from headreuse.interventions.batch import CleanRun, HeadSet, Z
from headreuse.interventions.replacements import Replacement
from headreuse.interventions.subject import Subject
from headreuse.models.anatomy import Anatomy, first_nan_weight
from headreuse.records import OUTCOMES, Head

Way = Callable[
    [Subject, CleanRun, Sequence[HeadSet], Z],
    Iterator[tuple[list[int], Float[Tensor, "set prompt slot d_vocab"]]],
]
"""Goes through head sets, and gives indices of some with their logits until all have been given.

Of the empty set it may give none, since that changes nothing.
"""


@dataclass(frozen=True)
class Ablated:
    """Outcomes without and with the interventions."""

    baseline: dict[str, Float[np.ndarray, "prompt"]]
    outcomes: dict[str, Float[np.ndarray, "set prompt"]]

    @property
    def effects(self) -> dict[str, Float[np.ndarray, "set prompt"]]:
        """Baseline minus outcome: positive where the heads help."""
        return {name: self.baseline[name] - values for name, values in self.outcomes.items()}


def silent_heads(anatomy: Anatomy) -> HeadSet:
    """The heads whose slice of the output projection is all 0, as that of a masked head is."""
    slices = (block.W_O.unflatten(0, (anatomy.n_heads, anatomy.d_head)) for block in anatomy.blocks)
    writes = torch.stack([weights.flatten(1).any(dim=1).cpu() for weights in slices])
    return frozenset(Head(layer, index) for layer, index in (~writes).nonzero().tolist())


def single_heads(subject: Subject) -> list[HeadSet]:
    """Every head alone, layer by layer."""
    anatomy = subject.anatomy
    return [frozenset({Head(layer, index)}) for layer in range(anatomy.n_layers) for index in range(anatomy.n_heads)]


def baseline_outcomes(subject: Subject) -> dict[str, Float[np.ndarray, "prompt"]]:
    """Outcomes of the untouched model."""
    return ablate(subject, [], lambda _run, _rows: []).baseline


def group_by_group(
    subject: Subject, run: CleanRun, sets: Sequence[HeadSet], z: Z
) -> Iterator[tuple[list[int], Float[Tensor, "set prompt slot d_vocab"]]]:
    """Each set by itself from its first layer on, several side by side."""
    for group in _groups(subject, sets, len(run.tokens)):
        yield group, subject.runner.logits_without(subject.anatomy, run, [sets[index] for index in group], z)


@torch.inference_mode()
def ablate(subject: Subject, sets: Sequence[HeadSet], replacement: Replacement, way: Way = group_by_group) -> Ablated:
    """Outcomes without ablation, and with the heads of one set after the other writing their replacement."""
    n_prompts = len(subject.prompts)
    # Without a head that writes nothing nothing changes, exactly: it is left out of the sets.
    silent = silent_heads(subject.anatomy)
    sets = [heads - silent for heads in sets] if silent else sets
    baseline = {name: np.empty(n_prompts, np.float32) for name in OUTCOMES}
    ablated = {name: np.empty((len(sets), n_prompts), np.float32) for name in OUTCOMES}
    for rows, run in subject.runs():
        clean = outcomes(run.logits, run.slots)
        _refuse_nan(subject, clean["log_prob"])
        for name, values in clean.items():
            baseline[name][rows] = ablated[name][:, rows] = values.cpu().numpy()
        for group, logits in way(subject, run, sets, replacement(run, rows)):
            for name, values in outcomes(logits, run.slots).items():
                ablated[name][group, rows] = values.cpu().numpy()
        del run  # as in `runs`
    return Ablated(baseline, ablated)


def _groups(subject: Subject, sets: Sequence[HeadSet], n_prompts: int) -> Iterator[list[int]]:
    """Indices of sets that go through the model together. The empty set changes nothing and is left out."""
    n_sets = max(1, subject.plan.n_sequences // n_prompts)

    def first_layer(index: int) -> int:
        return 0 if subject.runner.starts_anywhere else min(head.layer for head in sets[index])

    order = sorted((index for index in range(len(sets)) if sets[index]), key=first_layer)
    for _, members in groupby(order, key=first_layer):
        together = list(members)
        for start in range(0, len(together), n_sets):
            yield together[start : start + n_sets]


def _refuse_nan(subject: Subject, log_prob: Tensor) -> None:
    if not log_prob.isnan().any():
        return
    name = first_nan_weight(subject.anatomy.model)
    where = f"its weights hold NaN, first in {name}" if name else "no weight is NaN, so its arithmetic overflows"
    raise HeadreuseError(f"{type(subject.anatomy.model).__name__} answers NaN: {where}")
