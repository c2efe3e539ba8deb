"""What an ablated head writes instead: nothing, a mean, or what it wrote on another prompt."""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from headreuse.errors import HeadreuseError, nearest
from headreuse.interventions.batch import CleanRun, Packing, Z
from headreuse.interventions.corresponding import corresponding, drawn_positions
from headreuse.interventions.full_pass import all_z
from headreuse.interventions.subject import Subject
from headreuse.records import Position, Prompts, Role

Replacement = Callable[[CleanRun, slice], Z]
"""Given a clean run and the rows of its prompts: what each layer's heads write instead."""

ReplacementName = Literal["mean", "resample", "zero"]
"""An ablated head writes its mean over the prompts, what it wrote on another prompt, or zeros."""


def replacement_for(
    subject: Subject,
    replacement: ReplacementName,
    position: Position,
    *,
    seed: int = 0,
    reference: Prompts | None = None,
) -> Replacement:
    """The replacement that these two names stand for.

    Args:
        subject: The model, and the prompts on which heads will be ablated.
        replacement: What is written instead.
        position: Which positions it comes from: `each`, the same of other prompts, which must be aligned; `role`, those
            of the same named span; `pooled`, all. Zeros are the same for all three.
        seed: Settles which prompt each prompt is resampled from.
        reference: Take means or partners from these prompts instead of the subject's.
    """
    _require_known("replacement", replacement, get_args(ReplacementName))
    _require_known("position", position, get_args(Position))
    if replacement == "zero":
        return _zeros(subject)
    source = subject if reference is None else subject.with_prompts(reference)
    if position == "each":
        _require_same_layout(subject.prompts, source.prompts)
    if replacement == "mean":
        means = {"each": _mean_at_each_position, "role": _mean_of_each_set, "pooled": _pooled_mean}
        return means[position](source, subject.prompts)
    partners = _partners(len(subject.prompts), seed, None if reference is None else len(reference))
    if position == "each":
        return other_run(subject, source.prompts.tokens[partners])
    return _partner_at(subject, source.prompts, partners, _elsewhere(subject.prompts, source, partners, position, seed))


def _zeros(subject: Subject) -> Replacement:
    """Nothing."""
    nothing = [torch.zeros(1, 1, subject.anatomy.n_heads, subject.anatomy.d_head)] * subject.anatomy.n_layers
    return lambda _run, _rows: nothing


def _mean_at_each_position(source: Subject, _prompts: Prompts) -> Replacement:
    """The mean over the source's prompts, position by position; they must be aligned with the ablated ones."""
    sums: list[Tensor] | None = None
    for _, run in source.runs():
        batch = [z.sum(0).double() for z in run.z]
        sums = batch if sums is None else [total + more for total, more in zip(sums, batch, strict=True)]
    assert sums is not None
    means = [(total / len(source.prompts)).float()[None] for total in sums]
    return lambda _run, _rows: means


def _pooled_mean(source: Subject, _prompts: Prompts) -> Replacement:
    """The mean over the source's prompts and all their positions except padding; prompts need not be aligned."""
    real = torch.as_tensor(source.prompts.roles != Role.PAD)
    sums = [torch.zeros(())] * source.anatomy.n_layers
    for rows in source.batches():
        found = all_z(source.anatomy, source.tokens[rows])
        mask = real[rows][..., None, None]
        sums = [total + (z * mask.to(z.device)).sum((0, 1)).double() for total, z in zip(sums, found, strict=True)]
    means = [(total / real.sum()).float()[None, None] for total in sums]
    return lambda _run, _rows: means


def _mean_of_each_set(source: Subject, prompts: Prompts) -> Replacement:
    """The mean over the positions of the source's prompts that correspond to a position."""
    sets = corresponding(prompts, source.prompts)
    there = torch.as_tensor(sets.there)
    counts = torch.bincount(there.flatten(), minlength=sets.n_sets).clamp_min(1)[:, None, None]
    anatomy = source.anatomy
    shape = (sets.n_sets, anatomy.n_heads, anatomy.d_head)
    sums = [torch.zeros(shape, dtype=torch.float64) for _ in range(anatomy.n_layers)]
    for rows in source.batches():
        index = there[rows].flatten()
        for total, z in zip(sums, all_z(anatomy, source.tokens[rows]), strict=True):
            total.index_add_(0, index, z.flatten(0, 1).double().cpu())
    means = [(total / counts).float() for total in sums]
    here = torch.as_tensor(sets.here)

    def mean_at(run: CleanRun, rows: slice) -> Z:
        at_slots = here[rows].gather(1, run.slots.position.cpu())
        *before, last = means
        return [*(mean[here[rows, : run.tokens.shape[1]]] for mean in before), last[at_slots]]

    return mean_at


def other_run(subject: Subject, tokens: Int[np.ndarray, "prompt pos"]) -> Replacement:
    """What the same heads write at the same positions of other tokens, one row for each prompt."""
    there = torch.as_tensor(tokens, device=subject.tokens.device).long()
    return lambda _run, rows: subject.run_on(there[rows], rows).z


def _elsewhere(
    prompts: Prompts, source: Subject, partners: Int[np.ndarray, "prompt"], position: Position, seed: int
) -> Int[np.ndarray, "prompt pos"]:
    """For each position one of its partner's, drawn at random: of the same named span, or of all but padding."""
    chance = np.random.default_rng([seed, 1]).random(prompts.tokens.shape)
    if position == "role":
        return drawn_positions(corresponding(prompts, source.prompts), partners, chance)
    n_real = (source.prompts.roles != Role.PAD).sum(axis=1)[partners, None]
    return (chance * n_real).astype(int)


def _partner_at(
    subject: Subject, source: Prompts, partners: Int[np.ndarray, "prompt"], places: Int[np.ndarray, "prompt pos"]
) -> Replacement:
    """What the head wrote on the partner, at a place of its own for each position."""
    drawn = torch.as_tensor(places)
    tokens = torch.as_tensor(source.tokens[partners], device=subject.tokens.device).long()

    def z_elsewhere(run: CleanRun, rows: slice) -> Z:
        place = Packing(drawn[rows, : run.tokens.shape[1]], tokens.shape[1])
        at_slots = Packing(drawn[rows].gather(1, run.slots.position.cpu()), tokens.shape[1])
        *before, last = all_z(subject.anatomy, tokens[rows])
        return [*(_gathered(place, z) for z in before), _gathered(at_slots, last)]

    return z_elsewhere


def _gathered(place: Packing, z: Float[Tensor, "prompt pos head d_head"]) -> Float[Tensor, "prompt place head d_head"]:
    return place.gather(z.flatten(-2)).unflatten(-1, z.shape[-2:])


def _partners(n_prompts: int, seed: int, n_reference: int | None) -> Int[np.ndarray, "prompt"]:
    """The index of another prompt for each prompt, never its own index; or of any reference prompt."""
    generator = np.random.default_rng(seed)
    if n_reference is not None:
        return generator.integers(n_reference, size=n_prompts)
    if n_prompts < 2:
        raise HeadreuseError("resampling needs at least two prompts, or reference prompts; one was given")
    order = generator.permutation(n_prompts)
    partners = np.empty(n_prompts, dtype=int)
    partners[order] = np.roll(order, 1)
    return partners


def _require_known(kind: str, name: str, choices: tuple[str, ...]) -> None:
    if name not in choices:
        hint = nearest(name, list(choices))
        raise HeadreuseError(f"unknown {kind} {name!r}{hint}; choose from: {', '.join(choices)}")


def _require_same_layout(prompts: Prompts, source: Prompts) -> None:
    for given in (prompts, source):
        if not given.is_aligned:
            raise HeadreuseError(
                f"{given.task}: prompts are not of one layout, so a mean per position would mix them; "
                f"give position={given.position!r}"
            )
    if prompts.layout != source.layout:
        raise HeadreuseError(
            f"{prompts.task}: the reference prompts have another layout; "
            "give some of the same layout, or pool over positions (position='pooled')"
        )
