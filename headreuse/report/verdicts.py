"""Each verdict in plain sentences, for a reader without statistics: what was found, and what would be needed."""

import numpy as np

from headreuse.correlation.verdict import FOUND, NOT_FOUND, NOT_TESTABLE, PROGRESS
from headreuse.correlation.wording import counted
from headreuse.report.findings import Finding
from headreuse.report.inputs import ReportInputs
from headreuse.report.power import TO_TEST, findable_by, in_words

_MORE_ALIKE = "a seed whose two tasks come to share more heads than in the other seeds"
_AS_MUCH = "seeds that have learned just as much"

HEADLINES = {
    (
        FOUND,
        "reuse",
    ): f"Yes: {_MORE_ALIKE} gets more of the long inputs right than they do, even when it is compared with {_AS_MUCH}.",
    (
        FOUND,
        "opposite",
    ): f"No, rather the opposite: {_MORE_ALIKE} gets fewer of the long inputs right than they do, even when "
    f"it is compared with {_AS_MUCH}. Reuse of heads predicts the reverse.",
    (
        PROGRESS,
        "reuse",
    ): f"Not beyond learning itself: {_MORE_ALIKE} gets more of the long inputs right than they do, but "
    f"among {_AS_MUCH} no such relation can be told from chance.",
    (
        PROGRESS,
        "opposite",
    ): f"No: {_MORE_ALIKE} gets fewer of the long inputs right than they do, the opposite of what reuse "
    f"of heads predicts, but among {_AS_MUCH} no such relation can be told from chance.",
    (
        NOT_FOUND,
        "",
    ): f"No relation was found: {_MORE_ALIKE} gets neither clearly more nor clearly fewer of the long inputs "
    "right than they do.",
}
UNTESTABLE = "This study cannot say"
SHORT = {
    (FOUND, "reuse"): f"more sharing goes with more transfer, also among {_AS_MUCH}",
    (
        FOUND,
        "opposite",
    ): f"more sharing goes with less transfer, the opposite of what reuse predicts, also among {_AS_MUCH}",
    (PROGRESS, "reuse"): f"more sharing goes with more transfer, but not among {_AS_MUCH}",
    (PROGRESS, "opposite"): "more sharing goes with less transfer, the opposite of what reuse predicts, but not among "
    f"{_AS_MUCH}",
    (NOT_FOUND, ""): "no relation was found",
    (NOT_TESTABLE, "reuse"): "this cannot be tested; in these seeds more sharing went with more transfer",
    (
        NOT_TESTABLE,
        "opposite",
    ): "this cannot be tested; in these seeds more sharing went with less transfer, the opposite of "
    "what reuse predicts",
    (NOT_TESTABLE, ""): "this cannot be tested",
}
"""For what is exploratory, within a sentence."""
_IN_THESE = {
    "reuse": "In these seeds alone, more sharing went with more long inputs right, as reuse of heads predicts; that "
    "may be chance, or come from some seeds learning sooner.",
    "opposite": "In these seeds alone, more sharing went with fewer long inputs right, the opposite of what reuse of "
    "heads predicts; that may be chance, or come from some seeds learning sooner.",
    "": "",
}
_A_RELATION = (
    "This is a relation, not yet a cause: to see whether sharing heads makes the difference, one would have to train "
    "seeds that may not share them."
)
_CLOSER = "It would take more seeds, with checkpoints (saved states of a model in training) closer together"


def told(finding: Finding | None, inputs: ReportInputs) -> list[str]:
    """What was found, then what that leaves open and what would be needed."""
    if finding is None:
        return [
            f"{UNTESTABLE}: there is no group of related tasks in which both have been measured.",
            "It takes a group with a related auxiliary task, and checkpoints (saved states of a model in training) at "
            "which both tasks are solved well enough to see which heads they need.",
        ]
    if finding.verdict == NOT_TESTABLE:
        why, needed = _untestable(finding)
        return [f"{UNTESTABLE}: {why}.", " ".join(filter(None, [needed, _IN_THESE[finding.seen]]))]
    if finding.verdict == NOT_FOUND:
        missed = f"This does not exclude a relation: {in_words(findable_by(finding, inputs))}. {_CLOSER}."
        return [HEADLINES[NOT_FOUND, ""], " ".join(filter(None, [missed, _IN_THESE[finding.seen]]))]
    headline = HEADLINES[finding.verdict, finding.direction]
    return [headline, f"{_CLOSER}, to see whether there is more to it." if finding.verdict == PROGRESS else _A_RELATION]


def short(finding: Finding) -> str:
    """The verdict within a sentence."""
    is_certain = finding.verdict in (FOUND, PROGRESS)
    direction = finding.direction if is_certain else finding.seen
    return SHORT.get((finding.verdict, direction)) or SHORT[finding.verdict, ""]


def _untestable(finding: Finding) -> tuple[str, str]:
    """Why a finding cannot be tested, and what would be needed."""
    if np.isnan(finding.value("step_adjusted")):
        return (
            "no seed has four checkpoints (saved states of a model in training) at which both tasks are solved well "
            "enough to see which heads they need, and at which these still change",
            "It takes more checkpoints between the time when both tasks are learned and the end of training.",
        )
    if np.isnan(finding.p("step_adjusted")):
        n = finding.n_runs
        few = f"{counted(n, 'seed')} {'is' if n == 1 else 'are'} too few to tell a relation from chance"
        return few, f"It takes at least {TO_TEST}."
    if np.isnan(finding.value("aligned")):
        return (
            "how far each seed has learned at a checkpoint (a saved state of a model in training) cannot be compared",
            "It takes checkpoints from early on and closer together, so that every seed is seen to learn the main "
            "task.",
        )
    if np.isnan(finding.value("conditional")):
        return (
            "once it is taken into account how well each seed solves the two tasks, nothing is left to compare",
            "It takes more checkpoints after the time when both tasks are learned.",
        )
    return (
        f"too few of its {counted(finding.n_runs, 'seed')} can be compared where they have learned just as much",
        f"It takes at least {TO_TEST}, with checkpoints closer together.",
    )
