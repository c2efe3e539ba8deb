"""What the numbers of a study cannot say, in plain sentences."""

from headreuse.correlation.wording import counted
from headreuse.report.inputs import ReportInputs
from headreuse.report.power import SEEDS_TO_TEST, TO_TEST
from headreuse.report.wording import listed

NUMBER_WORDS = {1: "One", 2: "Two", 3: "Three"}
COUPLING = (
    "The ablation-map difference of exact match contains main's accuracy, as the gap does: by the test at the same "
    "step alone, unrelated heads look related in about a third of simulated studies with six seeds."
)
"""Said wherever that difference is shown."""


def caveats(inputs: ReportInputs) -> list[str]:
    """About seeds, checkpoints, causes, unusable checkpoints and failures."""
    return [_seeds(len(inputs.study.seeds)), *general_caveats(inputs), *_pooled(inputs)]


def general_caveats(inputs: ReportInputs) -> list[str]:
    """Those that hold for any number of seeds."""
    return [
        "Checkpoints of one run are autocorrelated: nearly everything trends while a model trains, so two series move "
        "together even if they are not related. No p-value over checkpoints is printed: seeds are compared with each "
        "other. An interval takes each run as one observation, and it takes 6 of them.",
        "Seeds that learn sooner have everything sooner, both heads alike and a small gap. So a relation at the same "
        "step is no evidence by itself; it has to hold at the same progress and given both tasks' accuracies, too.",
        "Overlap is correlational: that two tasks need the same heads does not show that sharing them causes transfer.",
        *_unusable(inputs),
        *_problems(len(inputs.problems)),
    ]


def _seeds(n: int) -> str:
    if n >= SEEDS_TO_TEST:
        return f"The unit of replication is the seed, not the checkpoint; there are {n} in each group."
    verb = "describes, it does" if n == 1 else "describe, they do"
    return (
        f"{NUMBER_WORDS[n]} seed{'' if n == 1 else 's'} {verb} not test: the seed is the unit of replication, and at "
        f"least {TO_TEST}, are needed to distinguish a relation over training from chance."
    )


def _pooled(inputs: ReportInputs) -> list[str]:
    """Tasks with head scores and no mean pattern: their prompts do not line up."""
    scored = set(inputs.head_scores["task"]) if len(inputs.head_scores) else set()
    tasks = sorted(scored - {entry.mean.task for entry in inputs.patterns})
    if not tasks:
        return []
    return [
        f"Prompts of {listed(tasks)} do not line up: an ablated head writes one mean over all positions, and attention "
        "patterns are not compared."
    ]


def _unusable(inputs: ReportInputs) -> list[str]:
    if not len(inputs.overlap):
        return []
    usable = inputs.overlap.groupby(["group", "seed", "step"])["usable"].any().astype(bool)
    if usable.all():
        return []
    return [
        f"At {int((~usable).sum())} of {len(usable)} checkpoints no overlap is usable. The maps of tasks that are not "
        f"yet solved (accuracy below {inputs.study.measures.baseline_floor:g}), or that no single head affects, all "
        "look alike. These checkpoints have hollow markers in the figures and are not part of any estimate."
    ]


def _problems(n: int) -> list[str]:
    return [f"{counted(n, 'problem')} occurred while measuring; see the end of the page."] if n else []
