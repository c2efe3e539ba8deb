"""The sections of a study's page, and which of them say something about a study."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from headreuse.report import ablation_by_length, arms, clocks, estimates, heads, training
from headreuse.report.exhibits import Exhibit
from headreuse.report.inputs import ReportInputs
from headreuse.report.synergy import synergy
from headreuse.report.words import in_runs, is_given
from headreuse.study.config import Study
from headreuse.study.subsets import SYNERGY_METHOD
from headreuse.tables.arms import comparable

Build = Callable[[ReportInputs], Iterator[Exhibit]]


@dataclass(frozen=True)
class Section:
    """A headed part of the page."""

    id: str
    short: str
    """Its name in the list of contents, which stays in sight."""
    title: str
    about: str
    build: Build


SECTIONS = (
    Section("accuracy", "Reach", "How far does each task reach?",
            "Exact-match accuracy by length. A dotted line marks the longest training length.", training.accuracy),
    Section("arms", "Arms", "What makes the difference?",
            "Groups that differ in one thing alone, seed by seed.", arms.arms),
    Section("heads", "Heads", "Which heads does each task need?",
            "What each task loses when one head is ablated.", heads.ablation),
    Section("synergy", "Stand-ins", "Which heads stand in for each other?",
            "What two heads do together beyond what each does.", synergy),
    Section("sharing", "Overlap", "Do two tasks need the same heads?",
            "How alike the tasks' head maps are within each model.", heads.sharing),
    Section("functional", "Cross-ablation", "Does ablating one task's heads hurt the other?",
            "Related and control groups side by side.", estimates.specificity),
    Section("ablation_by_length", "By length", "Do the shared heads carry main beyond its own length?",
            "At each run's last checkpoint.", ablation_by_length.ablation_by_length),
    Section("attention", "Attention", "What do the heads that matter look at?",
            "Mean attention patterns at the last checkpoint.", heads.attention),
    Section("trajectories", "Training", "Do overlap and gap move together while training?",
            "One line per seed.", training.trajectories),
    Section("transfer", "Transfer", "Does transfer go with overlap?",
            "Related and control groups side by side.", training.correlation),
    Section("estimates", "Estimates", "How certain is that, group by group?",
            "Every estimate with its interval.", estimates.forest),
    Section("clocks", "Clocks", clocks.TITLE, clocks.ABOUT, clocks.learning),
    Section("stability", "Stability", "How stable is training?",
            "Main's accuracy in three ranges of length.", training.stability),
    Section("log", "Log", "How does accuracy come and go?",
            "Accuracy on a few examples while each model was trained.", training.training_log),
)  # fmt: skip
OF_TRANSFER = ("transfer", "estimates", "clocks")
"""Sections that are about what goes with transfer."""
WITHOUT_LENGTHS = {
    "accuracy": ("How well is each task solved?", "Exact-match accuracy over all prompts together."),
    "trajectories": ("How does overlap change in training?", "One line per run."),
}


def sections_of(study: Study) -> Sequence[Section]:
    """The sections of one study, in order: those that are about what it cannot have are left out."""
    left_out = {"log"} if all(is_given(group) for group in study.groups) else set()
    if study.question.transfer is None:
        left_out |= {*OF_TRANSFER}
    left_out |= set() if any(comparable(study.groups)) else {"arms"}
    left_out |= set() if study.measures.ablation_by_length else {"ablation_by_length"}
    left_out |= set() if SYNERGY_METHOD in study.measures.methods else {"synergy"}
    has_lengths = any(group.has_lengths for group in study.groups)
    left_out |= set() if has_lengths else {"stability"}
    return [_named(section, study, has_lengths) for section in SECTIONS if section.id not in left_out]


def _named(section: Section, study: Study, has_lengths: bool) -> Section:
    named = (section.title, section.about)
    title, about = named if has_lengths else WITHOUT_LENGTHS.get(section.id, named)
    return replace(section, title=in_runs(study, title), about=in_runs(study, about))
