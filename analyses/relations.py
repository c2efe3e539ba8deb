"""Do the published order relations hold in what was measured? Each over seeds, with what the seeds can bear.

python -m analyses.relations FOLDER ... --out DIR

writes relations.csv and relations.md. A folder is a run folder, or what `analyses.collect` has kept of one. Arms are
identified by their settings, not by their names: groups with the same main task, the same training length and the same
transfer range are compared through their auxiliaries, kind and position, within one folder or across several. Arms
whose other settings differ are listed and not compared, unless the difference is allowed (`--despite training.steps`).
An arm that several folders have is one arm. Every seed counts once, at its last training step.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analyses.claims import REACH_MARGIN, Claim
from analyses.measured_arms import Arm, Auxiliaries, read_arms
from analyses.relations_table import as_markdown, row_of
from headreuse.errors import HeadreuseError
from headreuse.store.writing import written_whole
from headreuse.tables.differences import Estimate, compare_seeds, seeds_against

BETTER_SINGLE = {"reverse_add": ("no_carry", "carry_only"), "capitalize_reverse": ("reverse", "capitalize")}
"""By main task: the auxiliary that helps more when it is the only one, as published, and the other."""
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
    (better,), (other,) = a.auxiliary, b.auxiliary
    return (better.task, other.task) == BETTER_SINGLE.get(a.main.task) and better[1:] == other[1:]


def _is_alone(kind: str) -> Callable[[Arm, Arm], bool]:
    return lambda a, b: a.kind == kind and b.kind == "alone" and a.position == b.position


def _is_twin(a: Arm, b: Arm) -> bool:
    return a.auxiliary == b.auxiliary != frozenset() and (a.position, b.position, a.kind) == ("rope", "nope", b.kind)


JOINT = Claim("joint beats alone", "accuracy_transfer", "above")
TWO_ARMS: tuple[tuple[Claim, Callable[[Arm, Arm], bool]], ...] = (
    (JOINT, _is_alone("related")),
    (Claim("control is like alone", "accuracy_transfer", "about"), _is_alone("control")),
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
    estimate = compare_seeds(*values, paired=paired) if all(map(len, values)) else Estimate(np.nan)
    return row_of(claim, a.name, b.name, values, estimate, notes)


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
        yield row_of(REACHES, arm.name, "", [reach, 1.0], seeds_against(reach, 1.0), notes)
    if ends_at_auxiliary and len(transfer) and len(beyond):
        yield row_of(
            FALLS,
            arm.name,
            "",
            [transfer, beyond],
            compare_seeds(transfer, beyond, paired=True),
            ["by seed", *_not_learned(arm)],
        )
    if arm.kind == "alone" and len(transfer):
        yield row_of(NEAR_ZERO, arm.name, "", [transfer, 0.0], seeds_against(transfer, 0.0), _not_learned(arm))


def main() -> None:
    """Read studies, and write what holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--despite", nargs="*", default=(), metavar="SETTING", help="settings that may differ")
    arguments = parser.parse_args()
    try:
        table, left_out = relations(read_arms(arguments.folders), despite=arguments.despite)
    except HeadreuseError as error:
        parser.error(str(error))
    text = as_markdown(table, left_out)
    for name, content in (("relations.csv", table.to_csv(index=False, float_format="%.6g")), ("relations.md", text)):
        with written_whole(arguments.out / name) as draft:
            draft.write_text(content, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main()
