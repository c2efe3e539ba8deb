"""What an ablated head writes instead: nothing, a mean, or what it wrote on another prompt."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from headreuse.attention import layout_of
from headreuse.errors import HeadreuseError
from headreuse.interventions.batch import CleanRun, Packing, Z
from headreuse.interventions.full_pass import all_z
from headreuse.interventions.subject import Subject
from headreuse.records import Role

Source = Callable[[CleanRun, slice], Z]
"""Given a clean run and the rows of the prompts that it is of, what each layer's heads write instead."""


def zeros(subject: Subject) -> Source:
    """Nothing."""
    nothing = [torch.zeros(1, 1, subject.anatomy.n_heads, subject.anatomy.d_head)] * subject.anatomy.n_layers
    return lambda _run, _rows: nothing


def mean_at_each_position(subject: Subject, reference: Subject | None = None) -> Source:
    """The mean over all prompts (or over held-out `reference` prompts), position by position.

    Prompts must be aligned: every position has one role.
    """
    layout = layout_of(subject.prompts)
    source = reference or subject
    if layout_of(source.prompts) != layout:
        raise HeadreuseError(
            f"{subject.prompts.task}: the reference prompts have another layout; "
            "give some of the same layout, or pool over positions (position='pooled')"
        )
    sums: list[Tensor] | None = None
    for _, run in source.runs():
        batch = [z.sum(0).double() for z in run.z]
        sums = batch if sums is None else [total + more for total, more in zip(sums, batch, strict=True)]
    assert sums is not None
    means = [(total / len(source.prompts)).float()[None] for total in sums]
    return lambda _run, _rows: means


def pooled_mean(subject: Subject, reference: Subject | None = None) -> Source:
    """The mean over all prompts and all their positions but padding; prompts need not be aligned."""
    source = reference or subject
    real = torch.as_tensor(source.prompts.roles != Role.PAD)
    sums = [torch.zeros(())] * subject.anatomy.n_layers
    for rows in source.batches():
        found = all_z(source.anatomy, source.tokens[rows])
        mask = real[rows][..., None, None]
        sums = [total + (z * mask.to(z.device)).sum((0, 1)).double() for total, z in zip(sums, found, strict=True)]
    means = [(total / real.sum()).float()[None, None] for total in sums]
    return lambda _run, _rows: means


def other_run(subject: Subject, tokens: Int[np.ndarray, "prompt pos"]) -> Source:
    """What the same heads write at the same positions of other tokens, one row for each prompt."""
    there = torch.as_tensor(tokens, device=subject.tokens.device).long()
    return lambda _run, rows: subject.run_on(there[rows], rows).z


def partner_at_each_position(subject: Subject, seed: int, reference: Subject | None = None) -> Source:
    """What the head wrote at the same position of another prompt, drawn at random; prompts must be aligned."""
    source = reference or subject
    if layout_of(source.prompts) != layout_of(subject.prompts):
        raise HeadreuseError(
            f"{subject.prompts.task}: the reference prompts have another layout; "
            "give some of the same layout, or pool over positions (position='pooled')"
        )
    partners = _partners(len(subject.prompts), seed, None if reference is None else len(reference.prompts))
    return other_run(subject, source.prompts.tokens[partners])


def partner_at_any_position(subject: Subject, seed: int, reference: Subject | None = None) -> Source:
    """What the head wrote somewhere in another prompt, place and prompt drawn at random; never padding."""
    source = (reference or subject).prompts
    partners = _partners(len(subject.prompts), seed, None if reference is None else len(source))
    generator = np.random.default_rng([seed, 1])
    n_real = (source.roles != Role.PAD).sum(axis=1)[partners, None]
    drawn = torch.as_tensor((generator.random(subject.prompts.tokens.shape) * n_real).astype(int))
    tokens = torch.as_tensor(source.tokens[partners], device=subject.tokens.device).long()

    def z_elsewhere(run: CleanRun, rows: slice) -> Z:
        place = Packing(drawn[rows, : run.tokens.shape[1]], tokens.shape[1])
        at_slots = Packing(drawn[rows].gather(1, run.slots.position.cpu()), tokens.shape[1])
        *before, last = all_z(subject.anatomy, tokens[rows])
        return [*(_gathered(place, z) for z in before), _gathered(at_slots, last)]

    return z_elsewhere


def _gathered(place: Packing, z: Float[Tensor, "prompt pos head d_head"]) -> Float[Tensor, "prompt pos head d_head"]:
    return place.gather(z.flatten(-2)).unflatten(-1, z.shape[-2:])


def _partners(n_prompts: int, seed: int, n_reference: int | None) -> Int[np.ndarray, "prompt"]:
    """For each prompt another one, never itself; or any of the reference prompts."""
    generator = np.random.default_rng(seed)
    if n_reference is not None:
        return generator.integers(n_reference, size=n_prompts)
    if n_prompts < 2:
        raise HeadreuseError("resampling needs at least two prompts, or reference prompts; one was given")
    order = generator.permutation(n_prompts)
    partners = np.empty(n_prompts, dtype=int)
    partners[order] = np.roll(order, 1)
    return partners
