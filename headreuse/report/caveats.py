"""What the numbers of a study cannot say, in plain sentences."""

from headreuse.correlation.wording import counted
from headreuse.records import LARGE_COMPLETENESS_ERROR
from headreuse.report.inputs import ReportInputs
from headreuse.report.power import SEEDS_TO_TEST, TO_TEST
from headreuse.report.wording import listed, percent
from headreuse.report.words import is_given, run_word, words_of
from headreuse.study.config import Study
from headreuse.study.group import Group

NUMBER_WORDS = {1: "One", 2: "Two", 3: "Three"}
COUPLING = (
    "The ablation-map difference of exact match contains main's accuracy, as the gap does: by the test at the same "
    "step alone, unrelated heads look related in about a third of simulated studies with six seeds."
)
"""Said wherever that difference is shown."""
CORRELATIONAL = (
    "Overlap is correlational: that two tasks need the same heads does not show that sharing them causes transfer."
)
HOW_TO_MEASURE_IT = 'To ask that, give the prompts a column length, or name a file of transfer: transfer = "mine.csv".'


def coupling(study: Study) -> str:
    """What is said of that difference, where there is a gap that it is coupled with."""
    return f" {COUPLING}" if any(group.has_lengths for group in study.groups) else ""


def caveats(inputs: ReportInputs) -> list[str]:
    """About seeds, checkpoints, causes, unusable checkpoints and failures."""
    if inputs.study.question.transfer is None:
        return [
            *_without_transfer(inputs),
            *_masks(inputs),
            *_unusable(inputs),
            *_incomplete(inputs),
            *_problems(len(inputs.problems)),
        ]
    return [_runs(inputs), *general_caveats(inputs)]


def general_caveats(inputs: ReportInputs) -> list[str]:
    """Those that hold for any number of seeds."""
    runs = run_word(inputs.study)
    return [
        "Checkpoints of one run are autocorrelated: nearly everything trends while a model trains, so two series move "
        f"together even if they are not related. No p-value over checkpoints is printed: {runs}s are compared with "
        "each other. An interval takes each run as one observation, and it takes 6 of them.",
        f"{runs.capitalize()}s that learn sooner have everything sooner, both heads alike and more transfer. So a "
        "relation at the same step is no evidence by itself; it has to hold at the same progress and given both tasks' "
        "accuracies, too.",
        CORRELATIONAL,
        *_masks(inputs),
        *_unusable(inputs),
        *_incomplete(inputs),
        *_problems(len(inputs.problems)),
    ]


def _masks(inputs: ReportInputs) -> list[str]:
    """What overlap is where the heads of each task were set."""
    confined = [group.name for group in inputs.study.groups if group.heads and group.auxiliary]
    if not confined:
        return []
    return [
        f"In {listed(confined)} each task may use some heads of a layer alone, so which heads tasks can share is set "
        "by construction. Overlap and chance are over these heads; arms are compared by transfer, not by overlap."
    ]


def _without_transfer(inputs: ReportInputs) -> list[str]:
    """What a study that has overlap alone leaves open."""
    return [
        f"Transfer was not measured, so nothing is said on whether it goes with sharing. {HOW_TO_MEASURE_IT}",
        "Checkpoints of one run are not independent, and nearly everything trends while a model trains: a change over "
        "its steps describes this run. Another one may go another way.",
        "That two tasks need the same heads does not say that those do the same in both. Tasks may share heads that "
        "every text needs, so a pair of unrelated tasks beside them is worth more than chance to compare with.",
    ]


def _runs(inputs: ReportInputs) -> str:
    run, n = run_word(inputs.study), n_runs(inputs)
    if n >= SEEDS_TO_TEST:
        return f"The unit of replication is the {run}, not the checkpoint; there are {n} in each group."
    verb = f"{run} describes, it does" if n == 1 else f"{run}s describe, they do"
    needed = words_of(inputs.study, None)(TO_TEST)
    return (
        f"{NUMBER_WORDS[n]} {verb} not test: the {run} is the unit of replication, and at least {needed}, are needed "
        "to distinguish a relation over training from chance."
    )


def n_runs(inputs: ReportInputs) -> int:
    """Runs of the group with the most: the study's seeds, or the runs of a series that is given."""
    counts = [_n_given(inputs, group) if is_given(group) else len(inputs.study.seeds) for group in inputs.study.groups]
    return max(counts)


def _n_given(inputs: ReportInputs, group: Group) -> int:
    rows = inputs.of_group("overlap", group)
    return max(1, rows["seed"].nunique() if len(rows) else 0)


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


def _incomplete(inputs: ReportInputs) -> list[str]:
    """Of estimates that should add up to a true effect: how many do not."""
    if "completeness_error" not in inputs.head_scores:
        return []
    maps = inputs.head_scores.groupby(["group", "seed", "step", "task", "method", "outcome"])["completeness_error"]
    errors = maps.first().dropna()
    large = errors[errors > LARGE_COMPLETENESS_ERROR]
    if not len(large):
        return []
    methods = listed(sorted({name.replace("_", " ") for name in large.index.get_level_values("method")}))
    return [
        f"{len(large)} of {counted(len(errors), 'map')} by {methods} do not add up: the estimates of a layer's heads "
        f"miss what patching the whole layer does by more than {percent(LARGE_COMPLETENESS_ERROR)}, so they may rank "
        "heads wrongly. Compare them with activation patching."
    ]


def _problems(n: int) -> list[str]:
    return [f"{counted(n, 'problem')} occurred while measuring; see the end of the page."] if n else []
