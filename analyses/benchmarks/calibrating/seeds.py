"""Over seeds: do intervals hold, and are verdicts about relations right, however seeds are distributed?

`seeds.<setting>.n<N>.coverage`: the interval of the median over N seeds. `seeds.two_arms.<a>_<b>.n<N>_<M>.coverage`:
that of the median difference between arms of N and M seeds. Where seeds tie, a millionth of jitter breaks the tie, as a
continuous distribution would; `.tied_coverage` is without it. `naive.seeds.<setting>.n<N>.coverage` is Student's
interval of the mean.

`relations.<claim>.<arms>.<truth>.n<N>.<verdict>.rejection` is how often a wrong verdict is given. The true difference
is `inside` the margin (half of it), `beyond` it (twice), or `at` it, where either verdict counts as wrong, one by one.
`.power` is how often the right one is given.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np
import pandas as pd
from scipy import stats

from analyses.claims import Claim
from calibrating.number import Job, Number
from headreuse.tables.differences import compare_seeds, rank_of_difference, seeds_against
from headreuse.tables.seeds import over_seeds

JITTER = 1e-6
N_TRUTH = 2_000_000
"""Draws of which the median is taken to be the truth."""
N_SEEDS = range(3, 13)
N_OF_ARMS = ((5, 5), (6, 6), (8, 8), (10, 10), (12, 12), (5, 8), (12, 8))
N_OF_CLAIMS = (6, 10)
CLAIMS = {"above": Claim("", "", "above"), "about": Claim("", "", "about")}
TRUTHS = {"inside": 0.5, "at": 1.0, "beyond": 2.0}
"""In margins."""
MORE = 10
"""Times as many studies where intervals alone are simulated, which costs little."""
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def _heaps(share: float) -> Draw:
    """Seeds that have learned, at 1, and the others, at 0; each heap a little spread."""
    return lambda generator, size: (generator.random(size) < share) + generator.normal(0, 0.02, size)


def _bounded(generator: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
    """Accuracies of 32 examples, many of them 0 or 1."""
    return generator.binomial(32, generator.beta(0.3, 0.3, size)) / 32


SETTINGS: dict[str, Draw] = {
    "normal": lambda generator, size: generator.normal(0, 0.1, size),
    "heavy_tails": lambda generator, size: 0.1 * generator.standard_t(1.5, size),
    "skewed": lambda generator, size: generator.exponential(0.1, size),
    "heaps_50_50": _heaps(0.5),
    "heaps_80_20": _heaps(0.8),
    "heaps_95_5": _heaps(0.95),
    "bounded_ties": _bounded,
    "alike": lambda generator, size: np.zeros(size),
    "wide": lambda generator, size: generator.normal(0, 0.3, size),
}
ARMS = (
    *(("normal", "normal"), ("normal", "alike"), ("normal", "wide"), ("heavy_tails", "normal"), ("skewed", "alike")),
    *(("heaps_80_20", "alike"), ("heaps_80_20", "heaps_80_20"), ("heaps_95_5", "wide"), ("bounded_ties", "normal")),
)
"""Settings of two arms that are compared."""


@dataclass(frozen=True)
class Seeds:
    """Values of seeds, moved to a median that is known."""

    draw: Draw
    move: float = 0.0

    def tied(self, generator: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
        """As they are drawn."""
        return self.draw(generator, size) + self.move

    def apart(self, generator: np.random.Generator, size: tuple[int, ...]) -> np.ndarray:
        """With ties broken."""
        return self.tied(generator, size) + JITTER * generator.random(size)


def _median(values: np.ndarray) -> float:
    return float(np.median(values))


def one_arm(setting: str, n: int, generator: np.random.Generator) -> Iterator[Number]:
    """The interval of the median, at every number of seeds that has one, and Student's."""
    seeds = Seeds(SETTINGS[setting])
    truth, mean = _median(seeds.apart(generator, (N_TRUTH,))), float(np.mean(seeds.apart(generator, (N_TRUTH,))))
    for n_seeds in N_SEEDS:
        values = seeds.apart(generator, (MORE * n, n_seeds))
        covered = _covered(values, truth)
        if covered is not None:
            yield Number(f"seeds.{setting}.n{n_seeds}.coverage", covered)
            if setting == "bounded_ties":
                tied = seeds.tied(generator, (MORE * n, n_seeds))
                yield Number(f"seeds.{setting}.n{n_seeds}.tied_coverage", _covered(tied, truth, JITTER) or 0.0)
        half = stats.t.isf(0.025, n_seeds - 1) * values.std(axis=1, ddof=1) / np.sqrt(n_seeds)
        naive = float((np.abs(values.mean(axis=1) - mean) <= half).mean())
        yield Number(f"naive.seeds.{setting}.n{n_seeds}.coverage", naive)


def _covered(values: np.ndarray, truth: float, slack: float = 0.0) -> float | None:
    """How often the interval over seeds (columns) of a study (row) encloses the truth; None where there is none."""
    study, seed = (index.ravel() for index in np.indices(values.shape))
    table = pd.DataFrame({"study": study, "seed": seed, "value": values.ravel()})
    found = over_seeds(table, by=["study"], values=["value"])
    if found["ci_low"].isna().any():
        return None
    return float(((found["ci_low"] <= truth + slack) & (truth - slack <= found["ci_high"])).mean())


def two_arms(arms: tuple[str, str], n: int, generator: np.random.Generator) -> Iterator[Number]:
    """The interval of the median difference between two arms."""
    first, second = (Seeds(SETTINGS[name]) for name in arms)
    truth = _median(first.apart(generator, (N_TRUTH,)) - second.apart(generator, (N_TRUTH,)))
    for n_first, n_second in N_OF_ARMS:
        x, y = first.apart(generator, (MORE * n, n_first)), second.apart(generator, (MORE * n, n_second))
        differences = np.sort((x[:, :, None] - y[:, None, :]).reshape(MORE * n, -1), axis=1)
        k = rank_of_difference(n_first, n_second)
        held = (differences[:, k - 1] <= truth) & (truth <= differences[:, -k])
        yield Number(f"seeds.two_arms.{'_'.join(arms)}.n{n_first}_{n_second}.coverage", float(held.mean()))


def verdicts_of_two_arms(name: str, arms: tuple[str, str], n: int, generator: np.random.Generator) -> Iterator[Number]:
    """Verdicts about the difference between two arms of as many seeds."""
    draws = [SETTINGS[setting] for setting in arms]
    apart = _median(draws[0](generator, (N_TRUTH,)) - draws[1](generator, (N_TRUTH,)))
    for (truth, margins), n_seeds in product(TRUTHS.items(), N_OF_CLAIMS):
        first, second = Seeds(draws[0], margins * CLAIMS[name].margin - apart), Seeds(draws[1])
        given = []
        for x, y in zip(first.apart(generator, (n, n_seeds)), second.apart(generator, (n, n_seeds)), strict=True):
            given.append(CLAIMS[name].verdict(compare_seeds(pd.Series(x), pd.Series(y), paired=False)))
        yield from _shares(f"relations.{name}.{'_'.join(arms)}.{truth}.n{n_seeds}", name, truth, given)


def verdicts_of_one_arm(name: str, setting: str, n: int, generator: np.random.Generator) -> Iterator[Number]:
    """Verdicts about differences by seed, or about seeds against a number."""
    apart = _median(SETTINGS[setting](generator, (N_TRUTH,)))
    for (truth, margins), n_seeds in product(TRUTHS.items(), N_OF_CLAIMS):
        seeds = Seeds(SETTINGS[setting], margins * CLAIMS[name].margin - apart)
        given = [CLAIMS[name].verdict(seeds_against(pd.Series(x), 0.0)) for x in seeds.apart(generator, (n, n_seeds))]
        yield from _shares(f"relations.{name}.by_seed_{setting}.{truth}.n{n_seeds}", name, truth, given)


def _shares(label: str, claim: str, truth: str, given: list[str]) -> Iterator[Number]:
    """Of both verdicts, each as wrong or as right."""
    right = {"inside": "held" if claim == "about" else "not held", "beyond": "held" if claim == "above" else "not held"}
    for verdict in ("held", "not held"):
        share = given.count(verdict) / len(given)
        if right.get(truth) == verdict:
            yield Number(f"{label}.power", share)
        else:
            yield Number(f"{label}.{verdict.replace(' ', '_')}.rejection", share)


def jobs(n: int) -> list[Job]:
    """Everything that is simulated."""
    one_at_a_time = [name for name in SETTINGS if name not in ("alike", "wide")]
    found: list[Job] = [partial(one_arm, setting, n) for setting in one_at_a_time]
    found += [partial(two_arms, arms, n) for arms in ARMS]
    found += [partial(verdicts_of_two_arms, name, arms, n) for name, arms in product(CLAIMS, ARMS)]
    return found + [partial(verdicts_of_one_arm, name, one, n) for name, one in product(CLAIMS, one_at_a_time)]
