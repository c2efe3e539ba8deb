"""A model and prompts made ready for interventions: heads found, the replay checked, batches cut to fit the memory."""

import copy
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import PreTrainedModel

from headreuse.evaluation import Slots, require_eval_mode, slots_of
from headreuse.interventions.batch import CleanRun
from headreuse.interventions.budget import Plan, keep_freed_memory, plan
from headreuse.interventions.full_pass import clean_pass, full_passes
from headreuse.interventions.replay import clean_run, replay
from headreuse.models.anatomy import Anatomy, Decoder, anatomy_of, unwrapped
from headreuse.records import Head, Prompts

CHECKED_PROMPTS = 2
TOLERANCE = {torch.float32: 1e-3, torch.float64: 1e-6}
"""Largest difference of a replayed logit from a full pass's, as a fraction of the largest logit."""
LOW_PRECISION_TOLERANCE = 0.1


class FullPassWarning(UserWarning):
    """The replay does not fit a model, so full passes are used: the same numbers, more slowly."""


@dataclass(frozen=True)
class Runner:
    """A way to compute interventions; both ways take and give the same."""

    clean_run: Callable[[Anatomy, Int[Tensor, "prompt pos"], Slots], CleanRun]
    logits_without: Callable[..., Float[Tensor, "set prompt slot d_vocab"]]
    starts_anywhere: bool
    """Whether the sets of one call may begin in different layers."""


REPLAY = Runner(clean_run, replay, starts_anywhere=False)
FULL_PASSES = Runner(clean_pass, full_passes, starts_anywhere=True)


@dataclass(frozen=True)
class Subject:
    """A model, prompts, and the way to intervene."""

    model: Decoder
    """As the user gave it, or its copy in another dtype."""
    anatomy: Anatomy
    runner: Runner
    prompts: Prompts
    tokens: Int[Tensor, "prompt pos"]
    slots: Slots
    plan: Plan
    _kept: list[tuple[slice, CleanRun]] = field(default_factory=list)

    def runs(self) -> Iterator[tuple[slice, CleanRun]]:
        """Clean runs of all prompts, batch by batch; kept for the next time if memory allows."""
        runs = self._kept or ((rows, self.run_on(self.tokens[rows], rows)) for rows in self.batches())
        made = []
        for rows, run in runs:
            if self.plan.keeps_runs:
                made.append((rows, run))
            yield rows, run
            run.latest.clear()
            del run  # otherwise it stays in memory while the next one is made
        self._kept[:] = made

    def run_on(self, tokens: Int[Tensor, "prompt pos"], rows: slice) -> CleanRun:
        """The untouched model on other tokens in place of the prompts' at these rows."""
        with torch.inference_mode():
            return self.runner.clean_run(self.anatomy, tokens, self.slots[rows])

    def with_prompts(self, prompts: Prompts) -> "Subject":
        """The same model with other prompts, whose clean runs are not kept."""
        tokens = torch.as_tensor(prompts.tokens, device=self.anatomy.device).long()
        size = replace(self.plan, keeps_runs=False)
        slots = slots_of(prompts, self.anatomy.device)
        return Subject(self.model, self.anatomy, self.runner, prompts, tokens, slots, size)

    def batches(self) -> list[slice]:
        """The rows of each batch; all batches have about the same size."""
        n_batches = -(-len(self.tokens) // self.plan.n_sequences)
        edges = [len(self.tokens) * index // n_batches for index in range(n_batches + 1)]
        return [slice(*edge) for edge in pairwise(edges)]


def prepare(
    model: Decoder, prompts: Prompts, *, memory_budget: int | None = None, dtype: torch.dtype | None = None
) -> Subject:
    """Make a Hugging Face model or a TransformerLens bridge ready for interventions on `prompts`.

    Args:
        memory_budget: Bytes to use in addition to the model; by default 1 GiB, on a GPU half of what is free.
        dtype: Work on a copy of the model in this dtype, for example `torch.bfloat16`; by default on the model itself.
    """
    require_eval_mode(model)
    if unwrapped(model).device.type == "cpu":
        keep_freed_memory()
    if dtype is not None and dtype != unwrapped(model).dtype:
        copied: Any = copy.deepcopy(model)
        model = copied.to(dtype)
    anatomy = anatomy_of(model)
    slots = slots_of(prompts, anatomy.device)
    tokens = torch.as_tensor(prompts.tokens, device=anatomy.device).long()
    anatomy, runner = _fitting_runner(anatomy, tokens[:CHECKED_PROMPTS], slots[:CHECKED_PROMPTS])
    n_positions, n_slots = slots.n_needed, slots.position.shape[1]
    size = plan(anatomy, len(prompts), n_positions, n_slots, memory_budget=memory_budget)
    return Subject(model, anatomy, runner, prompts, tokens, slots, size)


_CHECKED: WeakKeyDictionary[PreTrainedModel, tuple[object, tuple[Anatomy, Runner]]] = WeakKeyDictionary()


def _fitting_runner(anatomy: Anatomy, tokens: Tensor, slots: Slots) -> tuple[Anatomy, Runner]:
    """The replay if it gives what full passes give in every layer; otherwise full passes, with a warning.

    If the replay is right only without the shortcut into the feed-forward, the anatomy is returned without it. The
    check is repeated when weights have changed.
    """
    network = anatomy.model
    weights = (id(anatomy), *((id(p), 0 if p.is_inference() else p._version) for p in network.parameters()))
    if network not in _CHECKED or _CHECKED[network][0] != weights:
        _CHECKED[network] = (weights, _check(anatomy, tokens, slots))
    return _CHECKED[network][1]


def _check(anatomy: Anatomy, tokens: Tensor, slots: Slots) -> tuple[Anatomy, Runner]:
    reasons = []
    for found in dict.fromkeys([anatomy, anatomy.without_feed_forwards()]):
        reason = misfit(partial(_largest_difference, found, tokens, slots), found.model.dtype)
        if reason is None:
            return found, REPLAY
        reasons.append(reason)
    warnings.warn(
        f"{type(anatomy.model).__name__}: its structure does not fit the replay ({reasons[-1]}); using full passes, "
        "which give the same numbers more slowly",
        FullPassWarning,
        stacklevel=2,
    )
    return anatomy, FULL_PASSES


def misfit(worst: Callable[[], float], dtype: torch.dtype) -> str | None:
    """Why a way that is off by `worst()`, a fraction of the largest logit, cannot be used; None if it can."""
    try:
        difference = worst()
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError, AssertionError) as error:
        return f"{type(error).__name__}: {error}"
    if difference <= TOLERANCE.get(dtype, LOW_PRECISION_TOLERANCE):
        return None
    return f"a replayed logit is off by {difference:.1g} of the largest logit"


@torch.inference_mode()
def _largest_difference(anatomy: Anatomy, tokens: Tensor, slots: Slots) -> float:
    """Between the replay's and a full pass's logits."""
    run = clean_run(anatomy, tokens, slots)
    made_up = [z.flip(-1) + z.std() for z in run.z]
    worst = difference(run.logits, clean_pass(anatomy, tokens, slots).logits)
    for layer in range(anatomy.n_layers):
        index = layer % anatomy.n_heads
        sets = [frozenset({Head(layer, index), Head(layer, index - 1 if index else 0)})]
        ours, oracle = (way(anatomy, run, sets, made_up) for way in (replay, full_passes))
        worst = max(worst, difference(ours, oracle))
    return worst


def difference(ours: Float[Tensor, "*shape"], oracle: Float[Tensor, "*shape"]) -> float:
    """The largest difference as a fraction of the largest logit; NaN equals NaN."""
    # Where only the replay is NaN, something read the norm that the shortcut skips.
    if (ours.isnan() > oracle.isnan()).any():
        return float("inf")
    return float(((ours - oracle).abs().nan_to_num().max() / oracle.abs().nan_to_num().max()).nan_to_num())
