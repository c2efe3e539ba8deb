"""Which positions of different prompts correspond where a named span is not at the same position in all of them.

Positions of one role correspond in their order: the first token of a span to the first tokens of that span. Tokens that
not every prompt has correspond to the last that all have, so that each set holds at least one position of each prompt.
Text without a name is one set: nothing says what in it corresponds.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from headreuse.errors import HeadreuseError
from headreuse.records import Prompts, Role

POOLED = (Role.PAD, Role.MARKER, Role.INPUT, Role.SEPARATOR)
"""Roles whose positions are not told apart; those of padding are never asked for."""


@dataclass(frozen=True)
class Corresponding:
    """For each position of prompts, and of those that replacements come from, which set it is in."""

    here: Int[np.ndarray, "prompt pos"]
    there: Int[np.ndarray, "source source_pos"]
    n_sets: int


def corresponding(prompts: Prompts, source: Prompts) -> Corresponding:
    """The sets of two batches of prompts with the same named spans."""
    if prompts.role_names != source.role_names:
        raise HeadreuseError(
            f"{prompts.task}: the reference prompts have other named spans; "
            "give some with the same, or pool over positions (position='pooled')"
        )
    here, there = np.zeros_like(prompts.roles), np.zeros_like(source.roles)
    n_sets = 1
    for role in np.unique(prompts.roles[prompts.roles != Role.PAD]):
        masks = prompts.roles == role, source.roles == role
        if not masks[1].any():
            raise HeadreuseError(
                f"{prompts.task}: the reference prompts have nothing of role {prompts.role_name(role)}"
            )
        n_common = 1 if role in POOLED else max(1, min(int(mask.sum(axis=1).min()) for mask in masks))
        for sets, mask in zip((here, there), masks, strict=True):
            order = np.minimum(mask.cumsum(axis=1) - 1, n_common - 1)
            sets[mask] = n_sets + order[mask]
        n_sets += n_common
    return Corresponding(here, there, n_sets)


def drawn_positions(
    sets: Corresponding,
    partners: Int[np.ndarray, "prompt"],
    chance: Float[np.ndarray, "prompt pos"],
) -> Int[np.ndarray, "prompt pos"]:
    """For each position one of its partner's that corresponds to it, as a number from 0 to 1 picks it."""
    drawn = np.zeros_like(sets.here)
    there = sets.there[partners]
    for one in range(1, sets.n_sets):
        mask = there == one
        # Only text without a name can be missing; then all of the partner's text stands for it.
        mask = np.where(mask.any(axis=1, keepdims=True), mask, there > 0)
        order = np.argsort(~mask, axis=1, kind="stable")
        picked = np.take_along_axis(order, (chance * mask.sum(axis=1)[:, None]).astype(int), axis=1)
        drawn = np.where(sets.here == one, picked, drawn)
    return drawn
