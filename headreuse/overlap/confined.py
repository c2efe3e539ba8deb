"""Two tasks that are confined to some heads each: which heads are compared, and what chance is there.

Which heads both may use is set there, not found. So head maps are compared over the heads that either task may use, and
chance rearranges the second task's effects among its own heads alone. Patterns are compared over the heads of both.
"""

from dataclasses import replace

import numpy as np

from headreuse.overlap.chance import Shuffles, shuffles_over_all_layers, shuffles_within_layers
from headreuse.overlap.compare import ComparisonSettings, Draws, draw_all_weights
from headreuse.records import HeadScores, MeanPattern

NOTHING_SHARED = "the two tasks may use no head in common: that they share none is set and not measured"


def over_heads_of_either(a: HeadScores, b: HeadScores) -> tuple[HeadScores, HeadScores]:
    """Two maps over the heads that one of the two tasks may use."""
    n_heads = next(iter(a.effects.values())).shape[1]
    either = sorted({*_usable(a.heads, n_heads), *_usable(b.heads, n_heads)})
    return a.among(either), b.among(either)


def over_heads_of_both(a: MeanPattern, b: MeanPattern) -> tuple[MeanPattern, MeanPattern]:
    """Two patterns over the heads that both tasks may use; as they are where there are none, see `why_set`."""
    n_heads = a.pattern.shape[1]
    both = sorted({*_usable(a.heads, n_heads)} & {*_usable(b.heads, n_heads)})
    if (a.heads is None and b.heads is None) or not both:
        return a, b
    first, second = (replace(one, pattern=one.pattern[:, both], heads=None) for one in (a, b))
    return first, second


def draw_confined(a: HeadScores, b: HeadScores, settings: ComparisonSettings, generator: np.random.Generator) -> Draws:
    """The draws for two maps over the same heads, of which `b`'s own alone are rearranged."""
    assert b.heads is not None
    n_layers, n_heads = next(iter(b.effects.values())).shape[:2]
    weights = draw_all_weights([a, b], settings, generator)
    within, over = (
        _rearranging(
            b.heads, shuffles(n_layers, len(b.heads), generator, n_permutations=settings.n_permutations), n_heads
        )
        for shuffles in (shuffles_within_layers, shuffles_over_all_layers)
    )
    return Draws(weights, within, over, all_alike=False)


def why_set(a: HeadScores | MeanPattern, b: HeadScores | MeanPattern) -> str:
    """Why the overlap of two tasks follows from their masks alone, in words; empty where it does not."""
    return "" if a.heads is None or b.heads is None or set(a.heads) & set(b.heads) else NOTHING_SHARED


def _rearranging(own: tuple[int, ...], shuffles: Shuffles, n_heads: int) -> Shuffles:
    """Rearrangements of some heads of each layer as rearrangements of all, which leave the others where they are."""
    n_layers = shuffles.orders.shape[1] // len(own)
    places = (np.arange(n_layers)[:, None] * n_heads + np.array(own)).ravel()
    orders = np.tile(np.arange(n_layers * n_heads), (len(shuffles.orders), 1))
    orders[:, places] = places[shuffles.orders]
    return Shuffles(orders, shuffles.exact)


def _usable(heads: tuple[int, ...] | None, n_heads: int) -> tuple[int, ...]:
    return tuple(range(n_heads)) if heads is None else heads
