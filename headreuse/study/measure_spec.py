"""What is measured at each checkpoint, in a study file: accuracy by length, scores of heads, overlap."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from headreuse.records import ATTENTION
from headreuse.registry import modules_of, registered
from headreuse.study import limits
from headreuse.study.frozen import Frozen, Length, check_known, check_unique

SCORE_NAMES = modules_of("scores")
ATTRIBUTION_STEPS = 8
"""Gradients along the way from the corrupted to the clean prompt; one alone can rank a trained model's heads backwards.

Here, since it stands in the keys of studies, whose reading loads no torch.
"""
DEFAULT_OUTCOME = "log_prob"
"""It has no floor: late in training most effects on accuracy are 0, so that there is nothing to compare."""
PATTERN_SCORES = ("anti_induction", "induction")
"""Scores that say where heads look, and not what is lost without them."""
HEADLINE_METRICS = ("ablation_map_difference", "cosine", "spearman", "top_k_jaccard", "attention_difference")
"""The overlap metrics of a study that names none."""


def outcome_of(score: str) -> str:
    """The outcome that a score is asked about where nothing is said; of a score of patterns the only one there is."""
    return ATTENTION if score in PATTERN_SCORES else DEFAULT_OUTCOME


def check_metrics(names: Sequence[str]) -> None:
    """Raise for the first name that is no overlap metric."""
    # The usual ones are known without loading the room.
    if others := [name for name in names if name not in HEADLINE_METRICS]:
        check_known("overlap metric", others, list(registered("headreuse.overlap", "OVERLAP_METRICS")))


def is_of_patterns(metric: str) -> bool:
    """Whether an overlap metric compares attention patterns, which takes no head score."""
    if metric in HEADLINE_METRICS:
        return metric == "attention_difference"
    return hasattr(registered("headreuse.overlap", "OVERLAP_METRICS")[metric], "misalignment")


NExamples = Annotated[int, Field(ge=1, le=limits.N_EXAMPLES)]


class MeasureSpec(Frozen):
    """What is measured at each checkpoint."""

    n_examples: NExamples = 256
    """Examples per task and length for the accuracy curves."""
    beyond: Annotated[int, Field(ge=0, le=limits.LENGTH)] = 4
    """How many lengths past the longest training length the accuracy curves go on."""
    length_step: Length = 1
    """Accuracy is measured at the multiples of this length, at each task's longest training length, and where the
    transfer range and the curve end. All means over lengths are over these."""
    methods: Annotated[tuple[str, ...], Field(min_length=1, strict=False)] = ("mean_ablation",)
    """Scores of how much each head matters, or of where it looks."""
    ablated_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """With what probability `banzhaf` ablates each other head. Of a deep model half of the heads gone leave nothing to
    be measured; less than a half is right there."""
    subsets: Annotated[int, Field(ge=4, le=limits.SUBSETS)] | None = None
    """How many subsets of heads `banzhaf` and `shapley` draw; where this is not given, all of them are taken of a model
    of up to 12 heads, and 12 for each head are drawn of a larger one."""
    n_score_examples: NExamples = 256
    """Examples per task for head scores and patterns."""
    score_length: Length | None = None
    """Length at which heads are scored: within main's training range, at its longest where a study does not
    say."""
    top_k: Annotated[int, Field(ge=1, le=limits.LAYERS * limits.HEADS)] = 3
    """Heads in a task's top set, for the set metrics and for functional overlap."""
    overlap_metrics: tuple[str, ...] = Field(default=HEADLINE_METRICS, strict=False)
    """How likeness of two tasks' heads is measured: any of the overlap metrics."""
    functional_sets: Annotated[int, Field(ge=0, le=limits.FUNCTIONAL_SETS)] = 20
    """Other head sets that functional overlap at the last checkpoint is compared with, or all where they are fewer.

    They have as many heads in each layer as a task's top set. 0 leaves functional overlap out.
    """
    ablation_by_length: bool = False
    """Whether main is ablated at every length of its transfer range at the last checkpoint, set by set of heads.

    That takes a pass over `n_score_examples` for each length and set: main's `top_k` heads, an auxiliary's, those in
    both and those of main alone, and for each of them up to `functional_sets` others like it.
    """
    baseline_floor: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Overlap is marked unusable where a task's accuracy is below this: two dead maps look alike."""
    micro_batch: NExamples = 256
    """Prompts that go through the model together when accuracy and patterns are measured."""

    @field_validator("methods")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        check_known("score", names, SCORE_NAMES)
        check_unique(names)
        return names

    @model_validator(mode="after")
    def _ranked(self) -> "MeasureSpec":
        if self.ablation_by_length and ranked_by(self) not in self.methods:
            raise ValueError(f"ablation_by_length takes the top heads by {' or '.join(RANKING)}; name one in methods")
        return self

    @field_validator("overlap_metrics")
    @classmethod
    def _registered(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not names:
            raise ValueError("name at least one overlap metric, or leave the key out")
        check_metrics(names)
        return tuple(dict.fromkeys(names))


RANKING = ("banzhaf", "mean_ablation")
"""Scores by which a task's top heads are told where several are ablated together; the first that a study has."""


def ranked_by(measures: MeasureSpec) -> str:
    """The score by which heads are ranked: Banzhaf values see heads that back each other up."""
    return next((name for name in RANKING if name in measures.methods), RANKING[-1])
