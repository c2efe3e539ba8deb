"""Functional overlap, the gap over examples and Mantel's test: do their p and intervals hold?

Functional overlap is a ratio of two mean losses over the same prompts: losses of right and wrong answers, with shares
lost from 2 % to all, and skewed continuous ones, well above noise (`strong`) and hardly (`weak`). `.coverage` and
`.printed` are as in `maps.py`. `naive.ratio` is the ratio ± 1.96 of its standard error.
"""

from collections.abc import Iterator
from functools import partial
from itertools import product

import numpy as np
import pandas as pd

from calibrating.number import Job, Number
from headreuse.correlation.group_level import mantel
from headreuse.overlap import FunctionalOverlap, SetAblations, functional_overlap
from headreuse.study import Group
from headreuse.tables.transfer import transfer_table

PRINTED_AT_LEAST = 0.2
N_PROMPTS = (64, 256)
OWN = (1.0, 0.5, 0.1)
"""Share of the answers that a target loses without its own heads."""
SHARES = (0.02, 0.3, 0.9)
"""Share of that which it loses without the source's."""


def answers_lost(own: float, share: float, n_prompts: int, n: int, generator: np.random.Generator) -> Iterator[Number]:
    """The interval where answers are right or wrong: the source's heads break some of those that the own ones break."""
    whole = (generator.random((n, n_prompts)) < own).astype(float)
    part = whole * (generator.random(whole.shape) < share)
    name = f"functional.binary{own * 100:.0f}.share{share * 100:.0f}.prompts{n_prompts}"
    yield from _coverage(name, part, whole, share)


def losses(strength: float, share: float, n_prompts: int, n: int, generator: np.random.Generator) -> Iterator[Number]:
    """The interval of continuous losses, skewed and with noise that both share."""
    shape = (n, n_prompts)
    noise, other = (generator.gamma(0.5, size=shape) * np.sqrt(2) - np.sqrt(0.5) for _ in range(2))
    whole = strength + noise
    part = share * strength + 0.6 * noise + 0.8 * other
    kind = "strong" if strength > 0.5 else "weak"
    yield from _coverage(f"functional.{kind}.share{share * 100:.0f}.prompts{n_prompts}", part, whole, share)


def _coverage(name: str, part: np.ndarray, whole: np.ndarray, truth: float) -> Iterator[Number]:
    found = [_functional(*one) for one in zip(part, whole, strict=True)]
    low, high = (np.array([getattr(row, end) for row in found]) for end in ("ci_low", "ci_high"))
    has = np.isfinite(low)
    yield Number(f"{name}.printed", float(has.mean()))
    if has.mean() >= PRINTED_AT_LEAST:
        yield Number(f"{name}.coverage", float(((low <= truth) & (truth <= high))[has].mean()))
    usable = np.array([row.usable for row in found])
    if usable.any():
        part, whole = part[usable], whole[usable]
        mean = whole.mean(axis=-1)
        ratio = part.mean(axis=-1) / mean
        errors = np.std(part - ratio[:, None] * whole, axis=-1) / np.sqrt(part.shape[-1]) / mean
        yield Number(f"naive.ratio.{name}.coverage", float((np.abs(ratio - truth) <= 1.96 * errors).mean()))


def _functional(part: np.ndarray, whole: np.ndarray, other: np.ndarray | None = None) -> FunctionalOverlap:
    other = np.zeros((1, len(part))) if other is None else other
    return functional_overlap(SetAblations("a", "b", "o", 3, part, whole, other))


def against_other_sets(n_sets: int, spread: float, n: int, generator: np.random.Generator) -> Iterator[Number]:
    """p where the source's heads are as any other set; without spread, most sets cost all answers or none."""
    p = []
    for _ in range(n):
        rates = generator.beta(1 / spread, 2 / spread, size=n_sets + 1)
        lost = (generator.random((n_sets + 1, 64)) < rates[:, None]).astype(float)
        p.append(_functional(lost[0], np.ones(64), lost[1:]).p_chance)
    name = f"functional.sets{n_sets}.{'ties' if spread > 10 else 'spread'}"
    yield Number(f"{name}.rejection", float((np.array(p) <= 0.05).mean()))
    yield Number(f"{name}.printed", float(np.isfinite(p).mean()))


def mantel_test(n: int, generator: np.random.Generator) -> Iterator[Number]:
    """Mantel's test of unrelated matrices."""
    matrices = generator.standard_normal((n, 2, 5, 5))
    p = [mantel(a + a.T, b + b.T)[1] for a, b in matrices]
    yield Number("mantel.tasks5.rejection", float((np.array(p) <= 0.05).mean()))


def gap_over_examples(n: int, generator: np.random.Generator) -> Iterator[Number]:
    """The interval of the gap over examples."""
    group = Group.model_validate(
        {
            "name": "g",
            "main": {"task": "copy", "max_length": 8},
            "auxiliary": [{"task": "reverse", "max_length": 16}],
        }
    )
    rates = {"copy": np.linspace(0.99, 0.05, 16), "reverse": np.linspace(0.99, 0.8, 16)}
    step, length = (index.ravel() for index in np.indices((n, 16)))
    tables = [
        pd.DataFrame({"group": "g", "seed": 0, "step": step, "task": task, "length": length + 1, "n": 256}).assign(
            accuracy=generator.binomial(256, rate, (n, 16)).ravel() / 256
        )
        for task, rate in rates.items()
    ]
    table = transfer_table(pd.concat(tables), [group])
    truth = float(np.mean(rates["reverse"] - rates["copy"]))
    holds = (table["gap_ci_low"] <= truth) & (truth <= table["gap_ci_high"])
    yield Number("gap_over_examples.coverage", float(holds.mean()))


def jobs(n: int) -> list[Job]:
    """Everything that is simulated."""
    found: list[Job] = [
        partial(answers_lost, own, share, n_prompts, n) for own, share, n_prompts in product(OWN, SHARES, N_PROMPTS)
    ]
    found += [
        partial(losses, strength, share, n_prompts, n)
        for strength, share, n_prompts in product((0.3, 2.0), (0.0, 0.5, 1.0), N_PROMPTS)
    ]
    found += [partial(against_other_sets, n_sets, spread, n) for n_sets, spread in product((15, 20, 39), (1.0, 100.0))]
    return [*found, partial(mantel_test, n), partial(gap_over_examples, n)]
