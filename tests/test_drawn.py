"""Prompts that were drawn are kept while they fit; they are those that a fresh draw gives.

Covers `measurements/loaded.py`.
"""

import numpy as np

from headreuse.measurements.drawn import DrawnPrompts
from headreuse.prompts import Vocabulary, make_prompts
from headreuse.records import Prompts
from headreuse.tasks import TASKS

TASK = TASKS["copy"](alphabet_size=3)
VOCABULARY = Vocabulary.of([TASK])


def drawn(seed: int) -> Prompts:
    return make_prompts(TASK, np.full(8, 4), np.random.default_rng(seed), VOCABULARY)


def n_bytes(prompts: Prompts) -> int:
    arrays = (prompts.tokens, prompts.corrupted, prompts.roles, prompts.scored, prompts.lengths)
    return sum(array.nbytes for array in arrays)


def test_prompts_are_drawn_once_and_forgotten_in_the_order_of_their_use():
    calls = []

    def get(kept: DrawnPrompts, seed: int) -> Prompts:
        return kept.get(("copy", seed), lambda: calls.append(seed) or drawn(seed))

    kept = DrawnPrompts(most_bytes=2 * n_bytes(drawn(0)))
    assert get(kept, 0) is get(kept, 0)
    for seed in (1, 0, 2):
        get(kept, seed)
    assert calls == [0, 1, 2]
    assert kept.n_bytes <= kept.most_bytes
    get(kept, 0)
    assert calls == [0, 1, 2]
    get(kept, 1)
    assert calls == [0, 1, 2, 1]
    np.testing.assert_array_equal(get(kept, 1).tokens, drawn(1).tokens)


def test_prompts_larger_than_the_memory_are_given_and_not_kept():
    kept = DrawnPrompts(most_bytes=1)
    np.testing.assert_array_equal(kept.get("x", lambda: drawn(0)).tokens, drawn(0).tokens)
    assert kept.n_bytes == 0
