"""What records draw of themselves: heads by layer, pairs of heads, patterns of attention."""

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
from jaxtyping import Float

from headreuse.records.colours import UNKNOWN, share_colours
from headreuse.records.drawing import LETTER, Map, framed, image, maps_as_svg, text

PREFERRED = ("exact_match", "log_prob")
"""The outcomes that are drawn where there are more: how often the answer is right, and the one without a ceiling."""
IN_WORDS = {"exact_match": "exact match", "token_accuracy": "right tokens", "log_prob": "log-probability (nats)",
            "logit_diff": "logit difference", "attention": "share of attention"}  # fmt: skip
N_NAMED = 3
"""Heads that are named below a map."""
ROOM = 640
"""Pixels across for the patterns of a layer's heads."""
SIDES = (20, 96)
"""The least and the most pixels of one head's pattern."""


def in_words(outcome: str) -> str:
    """What an outcome is called where people read it."""
    return IN_WORDS.get(outcome, outcome.replace("_", " "))


def drawn_outcomes(outcomes: Sequence[str]) -> list[str]:
    """The outcomes to draw: the preferred ones, or the first where none of them is there."""
    return [outcome for outcome in PREFERRED if outcome in outcomes] or list(outcomes[:1])


def scores_svg(
    title: str, effects: Mapping[str, Float[np.ndarray, "layer head"]], *, is_share: bool, heads: Sequence[int] | None
) -> str:
    """Maps of mean effects side by side, one for each outcome that is drawn, with what a colour says."""
    panels, notes = [], []
    for outcome in drawn_outcomes(list(effects)):
        values = effects[outcome].astype(float)
        if heads is not None:
            values = np.where(np.isin(np.arange(values.shape[1]), heads), values, np.nan)
        names = [f"layer {layer}" for layer in range(len(values))], [f"head {at}" for at in range(values.shape[1])]
        panel = Map(in_words(outcome), values, *names, is_share)
        panels.append(panel)
        notes.append(f"{in_words(outcome)}: {_largest(panel)}")
    others = [in_words(outcome) for outcome in effects if outcome not in drawn_outcomes(list(effects))]
    if others:
        notes.append(f"not drawn: {', '.join(others)}")
    sign = (
        "How much of its attention a head has where the score looks, from 0 to 1."
        if is_share
        else "Positive, red: the head helps the task, which does worse without it. Negative, blue: it harms."
    )
    masked = [] if heads is None else ["Grey: the task may not use the head."]
    return maps_as_svg(title, panels, [sign, *notes, *masked])


def pairs_svg(title: str, values: Mapping[str, Float[np.ndarray, "all_heads all_heads"]], names: Sequence[str]) -> str:
    """Maps of pairs of heads side by side, one for each outcome that is drawn."""
    panels = [Map(in_words(outcome), values[outcome], names, names) for outcome in drawn_outcomes(list(values))]
    sign = "Positive, red: the two stand in for each other. Negative, blue: one is nothing without the other."
    return maps_as_svg(title, panels, [sign])


def patterns_svg(
    title: str, pattern: Float[np.ndarray, "layer head query key"], layout: Sequence[str], heads: Sequence[int] | None
) -> str:
    """Every head's pattern, a row for each layer: from each position (down) to each (across)."""
    n_layers, n_heads, n_positions, _ = pattern.shape
    side = int(np.clip(ROOM // n_heads - 6, *SIDES))
    seen = np.tril(np.ones((n_positions, n_positions), dtype=bool))
    if side >= LETTER * len("head 10"):
        middles = [56 + at * (side + 6) + side / 2 for at in range(n_heads)]
        parts = [text(x, 10, f"head {at}", anchor="middle", size=11) for at, x in enumerate(middles)]
    else:
        parts = [text(56, 10, f"heads 0 to {n_heads - 1}", size=11)]
    for layer in range(n_layers):
        y = 16 + layer * (side + 6)
        parts.append(text(50, y + side / 2 + 4, f"layer {layer}", anchor="end", size=11))
        for head in range(n_heads):
            colours = share_colours(np.where(seen, pattern[layer, head], np.nan))
            if heads is not None and head not in heads:
                colours = np.broadcast_to(np.array(list(bytes.fromhex(UNKNOWN[1:])), np.uint8), colours.shape)
            parts.append(image(_fitted(colours, side), 56 + head * (side + 6), y, side, side, f"head {layer}.{head}"))
    whole = "".join(parts), 56.0 + n_heads * (side + 6), 16.0 + n_layers * (side + 6)
    masked = [] if heads is None else ["Wholly grey: the task may not use the head."]
    notes = [
        f"Down: from which position; across: to which. {' · '.join(stretches(layout))}",
        "Attention from 0 (violet) to 1 (yellow); grey: later positions, to which none can go.",
        *masked,
    ]
    return framed(title, [whole], notes)


def stretches(layout: Sequence[str]) -> list[str]:
    """Roles of positions in order, with their number where several follow each other."""
    found = [(role.lower() if role not in ("BOS", "EOS") else role, len(list(same))) for role, same in groupby(layout)]
    return [role if n == 1 else f"{n} × {role}" for role, n in found]


def _largest(panel: Map) -> str:
    """The heads whose values are largest, with these."""
    values = np.where(np.isfinite(panel.values), panel.values, -np.inf)
    order = np.argsort(-values, axis=None, kind="stable")[:N_NAMED]
    places = [(place // values.shape[1], place % values.shape[1]) for place in order.tolist()]
    found = [(f"{layer}.{head}", float(values[layer, head])) for layer, head in places]
    named = [f"{name} ({panel.written(value)})" for name, value in found if value > 0 and panel.written(value) != "0"]
    return f"most {', '.join(named)}" if named else "no head above 0"


def _fitted(colours: np.ndarray, side: int) -> np.ndarray:
    """At most `side` rows and columns: of longer prompts every second, third, … position."""
    every = -(-len(colours) // side)
    return colours[::every, ::every]
