"""Does a head of one model do its work in another? Heads are taken from a donor into its twin, the receiver.

Models are twins where their blocks have one shape and their training started from the same weights: only then does a
head write what other heads of the receiver can read.
"""

import warnings
from collections.abc import Collection, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from headreuse.errors import HeadreuseError, nearest
from headreuse.evaluation import evaluate
from headreuse.interventions.ablate import ablate, baseline_outcomes, single_heads
from headreuse.interventions.batch import HeadSet
from headreuse.interventions.head_sets import require_heads
from headreuse.interventions.replacements import other_run
from headreuse.interventions.subject import Subject, prepare
from headreuse.models.anatomy import Decoder, unwrapped
from headreuse.models.head_weights import heads_from
from headreuse.records import OUTCOMES, Head, HeadScores, Prompts
from headreuse.records.shown import Shown

What = Literal["z", "weights"]
"""What of a head is taken: what it writes on the same prompt in the donor, or its query, key, value and output maps."""
NOT_OF_HEADS = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version", "vocab_size")
"""Entries of a configuration in which twins may differ; so may the ids of special tokens."""


class TwinWarning(UserWarning):
    """Nothing says that two models started from the same weights."""


@dataclass(frozen=True, repr=False)
class Transplants(Shown):
    """What becomes of a receiver's answers with heads of a donor, example by example."""

    task: str
    length: int
    what: What
    sets: tuple[HeadSet, ...]
    n_heads: int
    """Of each layer."""
    receiver: Mapping[str, Float[np.ndarray, "prompt"]]
    """Outcomes of the receiver as it is, by name."""
    donor: Mapping[str, Float[np.ndarray, "prompt"]]
    """Outcomes of the donor on the same prompts."""
    outcomes: Mapping[str, Float[np.ndarray, "set prompt"]]
    """Outcomes of the receiver with each set of the donor's heads."""

    def gain(self, outcome: str) -> Float[np.ndarray, "set"]:
        """Mean outcome with each set minus that of the receiver as it is: positive where the donor's heads help."""
        return (self.outcomes[outcome] - self.receiver[outcome]).mean(axis=-1)

    def closed(self, outcome: str) -> Float[np.ndarray, "set"]:
        """The share of the difference between donor and receiver that each set closes: 0 for none of it, 1 for all.

        NaN where the two do equally well.
        """
        apart = float((self.donor[outcome] - self.receiver[outcome]).mean())
        return self.gain(outcome) / apart if apart else np.full(len(self.sets), np.nan)

    def head_scores(self) -> HeadScores:
        """The gain from every head alone, as scores for maps and overlap; for other sets it is refused."""
        n_layers = len(self.sets) // self.n_heads
        every = [frozenset({Head(layer, index)}) for layer in range(n_layers) for index in range(self.n_heads)]
        if not every or list(self.sets) != every:
            raise HeadreuseError("head scores are of every head alone; leave `heads` of transplant out")
        shape = (n_layers, self.n_heads, -1)
        gains = {name: (values - self.receiver[name]).reshape(shape) for name, values in self.outcomes.items()}
        return HeadScores(self.task, self.length, f"transplant_{self.what}", self.receiver, gains)


def transplant(
    donor: Decoder,
    receiver: Decoder,
    prompts: Prompts,
    heads: Iterable[Collection[Head]] | None = None,
    *,
    what: What = "z",
    donor_prompts: Prompts | None = None,
    are_twins: bool = False,
    memory_budget: int | None = None,
) -> Transplants:
    """The receiver's outcomes with heads of the donor, one set of heads after the other.

    Models whose blocks differ in shape are refused. Both stay as they are, also when it is interrupted.

    Args:
        donor: Where heads come from, for example a model trained jointly with a related task.
        receiver: Where they go, for example its twin that was trained alone.
        prompts: What both answer.
        heads: Sets of heads, each taken together; None for every head alone.
        what: `z`, what the donor's head writes on the same prompt, which may carry more than the receiver's input to
            that head holds; or `weights`, which work on what the receiver gives them. Of heads that share keys and
            values (grouped-query attention), weights move only as whole groups. A bias of the output map, which
            belongs to no head, stays.
        donor_prompts: The same examples in the donor's tokens, where its vocabulary is another one.
        are_twins: Whether both are known to have started from the same weights; else a `TwinWarning` says that they
            may not have.
        memory_budget: See `prepare`.
    """
    if what not in get_args(What):
        raise HeadreuseError(f"unknown part of a head {what!r}{nearest(what, list(get_args(What)))}; choose z, weights")
    _require_twins(donor, receiver)
    if not are_twins:
        warnings.warn(
            "nothing here says whether donor and receiver started from the same weights; where they did not, what a "
            "head of one writes means nothing to the other (give are_twins=True where they did)",
            TwinWarning,
            stacklevel=2,
        )
    subject = prepare(receiver, prompts, memory_budget=memory_budget)
    other = prepare(donor, donor_prompts or prompts, memory_budget=memory_budget)
    if other.prompts.tokens.shape != prompts.tokens.shape:
        raise HeadreuseError(
            f"{prompts.task}: donor_prompts have another size; give the same examples in the same order"
        )
    sets = single_heads(subject) if heads is None else [frozenset(one) for one in heads]
    require_heads(subject, sets)
    ways = {"z": _with_z, "weights": _with_weights}
    before, after = ways[what](other, subject, sets)
    length = int(prompts.lengths.max())
    return Transplants(
        prompts.task, length, what, tuple(sets), subject.anatomy.n_heads, before, baseline_outcomes(other), after
    )


_Outcomes = Mapping[str, Float[np.ndarray, "prompt"]]
_OfSets = Mapping[str, Float[np.ndarray, "set prompt"]]


def _with_z(donor: Subject, receiver: Subject, sets: list[HeadSet]) -> tuple[_Outcomes, _OfSets]:
    found = ablate(receiver, sets, other_run(donor, donor.prompts.tokens))
    return found.baseline, found.outcomes


def _with_weights(donor: Subject, receiver: Subject, sets: list[HeadSet]) -> tuple[_Outcomes, _OfSets]:
    prompts = receiver.prompts.of_length(0)
    found = []
    for heads in [None, *sets]:
        moved = heads_from(donor.anatomy, receiver.anatomy, heads) if heads else nullcontext()
        with moved:
            found.append(evaluate(receiver.model, prompts).outcomes)
    before, *after = found
    n_prompts = len(prompts)
    return before, {name: np.array([one[name] for one in after]).reshape(-1, n_prompts) for name in OUTCOMES}


def _require_twins(donor: Decoder, receiver: Decoder) -> None:
    """Refuse models whose configurations differ in more than their vocabulary."""
    ours, theirs = (unwrapped(model).config.to_dict() for model in (donor, receiver))
    names = [
        name
        for name in sorted({*ours, *theirs})
        if name not in NOT_OF_HEADS and not name.endswith("_token_id") and ours.get(name) != theirs.get(name)
    ]
    if names:
        differences = ", ".join(f"{name} is {ours.get(name)} and {theirs.get(name)}" for name in names)
        raise HeadreuseError(f"donor and receiver are no twins: {differences}; give two models of one shape")
