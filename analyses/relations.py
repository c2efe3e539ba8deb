"""Do the published order relations hold in what was measured? Each with its interval over seeds.

python -m analyses.relations RUN_FOLDER ... --out DIR

writes relations.csv and relations.md. Arms are identified by their settings, not by their names: groups with the same
main task, the same training length and the same transfer range are compared through their auxiliaries, kind and
position, within one run folder or across several. Arms whose other settings differ are listed and not compared, unless
the difference is allowed (`--despite training.steps`). An arm that several folders have is one arm. Every seed counts
once, at its last training step.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from analyses.measured_arms import Arm, Auxiliaries, read_arms
from analyses.seeds import Estimate, compare_seeds, seeds_against
from headreuse.errors import HeadreuseError
from headreuse.store.writing import written_whole

MARGIN = 0.1
"""A smaller difference of accuracies or gaps does not matter."""
REACH_MARGIN = 0.25
"""The same for reach, where 1 is the whole way from main's longest training length to the auxiliary's."""
BETTER_SINGLE = {"reverse_add": ("no_carry", "carry_only"), "capitalize_reverse": ("reverse", "capitalize")}
"""By main task: the auxiliary that helps more when it is the only one, as published, and the other."""


@dataclass(frozen=True)
class Claim:
    """A published relation between two arms, or between an arm and a number."""

    relation: str
    quantity: str
    expected: Literal["above", "below", "alike", "about"]
    """`alike` fails if any difference is seen, `about` only if one beyond the margin is."""
    margin: float = MARGIN

    def verdict(self, estimate: Estimate) -> str:
        """`held`, `not held` or `not settled`, from the interval alone.

        `above` holds where the interval lies above 0, and fails where it lies below the margin, since no difference
        that matters is then possible. `alike` and `about` hold only where the interval lies within the margin on both
        sides.
        """
        low, high = estimate.ci_low, estimate.ci_high
        if self.expected == "below":
            low, high = -high, -low
        if np.isnan(low):
            return "not settled"
        if self.expected in ("above", "below"):
            return "held" if low > 0 else "not held" if high < self.margin else "not settled"
        if -self.margin <= low and high <= self.margin:
            return "held"
        nearest = self.margin if self.expected == "about" else 0.0
        return "not held" if low > nearest or high < -nearest else "not settled"


REACHES = Claim("joint reaches about the auxiliary's length", "reach", "about", REACH_MARGIN)
FALLS = Claim("joint falls beyond the auxiliary's length", "accuracy_transfer − accuracy_beyond", "above")
NEAR_ZERO = Claim("alone is near 0 beyond its own lengths", "accuracy_transfer", "about")


def relations(arms: Sequence[Arm], *, despite: Sequence[str] = ()) -> tuple[pd.DataFrame, list[str]]:
    """One row per relation that these arms can test, and a line for each arm that had no partner to compare it with."""
    rows, left_out = [], []
    for claim, arm, partners in _comparisons(arms):
        by_difference = {partner.name: arm.differences(partner) for partner in partners}
        same = [partner for partner in partners if not by_difference[partner.name]]
        chosen = same or [partner for partner in partners if set(by_difference[partner.name]) <= set(despite)]
        rows += [_between(claim, arm, partner) for partner in chosen if len(partner.measured) and len(arm.measured)]
        if not chosen:
            left_out += [
                f"{claim.relation}: {arm.name} with {partner.name} ({', '.join(by_difference[partner.name].values())})"
                for partner in partners
            ]
    rows += [row for arm in arms for row in _within(arm, is_joint=_is_joint(arm, arms))]
    table = pd.DataFrame(rows)
    return (table.sort_values("relation", kind="stable", ignore_index=True) if len(table) else table), left_out


def _comparisons(arms: Sequence[Arm]) -> Iterator[tuple[Claim, Arm, list[Arm]]]:
    """Every claim about two arms: the first arm, and the candidates for the second, which have the same auxiliaries."""
    for claim, fits in TWO_ARMS:
        partners: dict[tuple[str, Auxiliaries], list[Arm]] = {}
        by_name = {arm.name: arm for arm in arms}
        for a, b in permutations(arms, 2):
            if a.is_comparable(b) and fits(a, b) and (claim is not JOINT or _is_joint(a, arms)):
                partners.setdefault((a.name, b.auxiliary), []).append(b)
        yield from ((claim, by_name[name], found) for (name, _), found in partners.items())


def _is_joint(arm: Arm, arms: Sequence[Arm]) -> bool:
    """Whether a related arm has all the auxiliaries that any arm like it has."""
    return arm.kind == "related" and not any(arm.is_comparable(other) and _has_more(other, arm) for other in arms)


def _has_more(a: Arm, b: Arm) -> bool:
    return a.kind == b.kind == "related" and a.position == b.position and a.auxiliary > b.auxiliary


def _is_better_single(a: Arm, b: Arm) -> bool:
    if a.position != b.position or not a.kind == b.kind == "related" or not len(a.auxiliary) == len(b.auxiliary) == 1:
        return False
    (better, length), (other, other_length) = *a.auxiliary, *b.auxiliary
    return (better, other) == BETTER_SINGLE.get(a.main.task) and length == other_length


def _is_alone(kind: str) -> Callable[[Arm, Arm], bool]:
    return lambda a, b: a.kind == kind and b.kind == "alone" and a.position == b.position


def _is_twin(a: Arm, b: Arm) -> bool:
    return a.auxiliary == b.auxiliary != frozenset() and (a.position, b.position, a.kind) == ("rope", "nope", b.kind)


JOINT = Claim("joint beats alone", "accuracy_transfer", "above")
TWO_ARMS: tuple[tuple[Claim, Callable[[Arm, Arm], bool]], ...] = (
    (JOINT, _is_alone("related")),
    (Claim("control is like alone", "accuracy_transfer", "alike"), _is_alone("control")),
    (Claim("all auxiliaries beat fewer", "accuracy_transfer", "above"), _has_more),
    (Claim("one auxiliary beats the other", "accuracy_transfer", "above"), _is_better_single),
    (Claim("rotary position has the smaller gap", "gap", "below"), _is_twin),
)
"""The claims about two arms, each with the condition that the arms must meet."""


def _between(claim: Claim, a: Arm, b: Arm) -> dict[str, Any]:
    values = [arm.values(claim.quantity) for arm in (a, b)]
    common = values[0].index.intersection(values[1].index)
    paired = a.starts_like(b) and len(common) > 1
    if paired:
        values = [value.loc[common] for value in values]
    how = "paired by seed: same initial weights" if paired else "unpaired: other initial weights"
    if a.starts_like(b) and not paired:
        how = "unpaired: no two seeds in common"
    notes = [how, *a.differences(b).values(), *_not_learned(a), *_not_learned(b)]
    estimate = compare_seeds(*values, paired=paired) if all(map(len, values)) else Estimate(np.nan, np.nan, np.nan)
    return _row(claim, a.name, b.name, values, estimate, notes)


def _not_learned(arm: Arm) -> list[str]:
    """A note of the seeds whose main task is not learned."""
    seeds = ", ".join(map(str, arm.unlearned))
    return [f"{arm.name}: main is not learned on its own lengths in seeds {seeds}"] if seeds else []


def _within(arm: Arm, *, is_joint: bool) -> Iterator[dict[str, Any]]:
    """What is claimed of one arm by itself."""
    transfer, beyond, reach = map(arm.values, ("accuracy_transfer", "accuracy_beyond", "reach"))
    # What is claimed of the auxiliary's length can be seen only where the transfer range ends at it.
    ends_at_auxiliary = is_joint and arm.end == arm.trained_to
    if ends_at_auxiliary and len(transfer):
        best = arm.main.max_length + reach.max() * (arm.end - arm.main.max_length)
        notes = [f"the best seed reaches {best:.0f}, the auxiliaries {arm.end}", *_not_learned(arm)]
        yield _row(REACHES, arm.name, "", [reach, 1.0], seeds_against(reach, 1.0), notes)
    if ends_at_auxiliary and len(transfer) and len(beyond):
        yield _row(
            FALLS,
            arm.name,
            "",
            [transfer, beyond],
            compare_seeds(transfer, beyond, paired=True),
            ["by seed", *_not_learned(arm)],
        )
    if arm.kind == "alone" and len(transfer):
        yield _row(NEAR_ZERO, arm.name, "", [transfer, 0.0], seeds_against(transfer, 0.0), _not_learned(arm))


def _row(claim: Claim, a: str, b: str, values: list[Any], estimate: Estimate, notes: list[str]) -> dict[str, Any]:
    if estimate.has_no_width:
        notes = [*notes, "all seeds alike, so that the interval has no width"]
    return {
        "relation": claim.relation,
        "group_a": a,
        "group_b": b,
        "quantity": claim.quantity,
        "value_a": np.mean(values[0]) if np.size(values[0]) else np.nan,
        "value_b": np.mean(values[1]) if np.size(values[1]) else np.nan,
        "difference": estimate.difference,
        "ci_low": estimate.ci_low,
        "ci_high": estimate.ci_high,
        "n_seeds_a": np.size(values[0]),
        "n_seeds_b": np.size(values[1]) if b else 0,
        "p": estimate.p,
        "smallest_p": estimate.smallest_p,
        "verdict": claim.verdict(estimate),
        "seen": estimate.seen,
        "note": "; ".join(notes),
    }


def as_markdown(table: pd.DataFrame, left_out: Sequence[str]) -> str:
    """The relations as a Markdown table, and below it the arms that were not compared."""
    lines = [
        "| relation | arms | quantity | a | b | difference [95 %] | seeds | p (smallest possible) | verdict |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in table.to_dict("records"):
        arms = f"{row['group_a']} / {row['group_b'] or 'itself'}"
        interval = f"{row['difference']:+.3f} [{row['ci_low']:+.3f}, {row['ci_high']:+.3f}]"
        p = "none" if np.isnan(row["p"]) else f"{row['p']:.3f} ({row['smallest_p']:.3f})"
        seeds = f"{row['n_seeds_a']}" + (f", {row['n_seeds_b']}" if row["n_seeds_b"] else "")
        values = ["none" if np.isnan(value) else f"{value:.3f}" for value in (row["value_a"], row["value_b"])]
        interval = "none" if np.isnan(row["difference"]) else interval
        cells = [row["relation"], arms, row["quantity"], *values, interval]
        lines.append(
            "| "
            + " | ".join([*cells, seeds, p, f"{row['verdict']}: {'; '.join(filter(None, (row['seen'], row['note'])))}"])
            + " |"
        )
    if left_out:
        lines += ["", "Not compared, since other settings differ:", "", *(f"- {line}" for line in left_out)]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read run folders, and write what holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="RUN_FOLDER")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--despite", nargs="*", default=(), metavar="SETTING", help="settings that may differ")
    arguments = parser.parse_args()
    try:
        table, left_out = relations(read_arms(arguments.folders), despite=arguments.despite)
    except HeadreuseError as error:
        parser.error(str(error))
    text = as_markdown(table, left_out)
    for name, content in (("relations.csv", table.to_csv(index=False)), ("relations.md", text)):
        with written_whole(arguments.out / name) as draft:
            draft.write_text(content, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
