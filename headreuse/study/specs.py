"""The parts of a study file: a task and its lengths, the model, the training, what is measured."""

from collections.abc import Sequence
from pathlib import Path
from pkgutil import iter_modules
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from headreuse.prompts.form import PROMPT, TextForm
from headreuse.records import ATTENTION
from headreuse.registry import registered
from headreuse.study import limits
from headreuse.study.frozen import Frozen, check_known, check_unique
from headreuse.study.showing import shown
from headreuse.tasks import TASKS


def _files_of(*room: str) -> tuple[str, ...]:
    """What a room has, read off its folder, so that checking a study loads no torch."""
    folder = Path(__file__).parents[1].joinpath(*room)
    return tuple(module.name for module in iter_modules([str(folder)]) if not module.name.startswith("_"))


SCORE_NAMES = _files_of("scores")
POSITIONS = _files_of("models", "positions")
"""How a model that is trained here can know positions."""
COUPLED_POSITIONS = ("coupled", "coupled_fixed")
"""Those of them that need tasks whose symbols are coupled."""
TABLES_OF_POSITIONS = ("ape", *COUPLED_POSITIONS)
"""Those of them that have a row for each position, so that there is a last one."""
POSITIONS_TIMES = 4
"""How many times as far as the transfer range they have positions."""
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


Length = Annotated[int, Field(ge=1, le=limits.LENGTH)]
"""Of examples of a task."""
NExamples = Annotated[int, Field(ge=1, le=limits.N_EXAMPLES)]
Steps = Annotated[int, Field(ge=1, le=limits.STEPS)]
Beta = Annotated[float, Field(ge=0, lt=1)]


class TaskRange(Frozen):
    """A task and the longest length at which a model is trained on it; or a file of prompts, under its name."""

    task: str
    max_length: Annotated[int, Field(ge=0, le=limits.LENGTH)]
    """0 of a file of prompts that gives no lengths."""
    template: Annotated[str, Field(max_length=limits.TEMPLATE)] = PROMPT
    """The text around a prompt, for models that were trained on text: see `TextForm`."""
    shots: Annotated[int, Field(ge=0, le=limits.SHOTS)] = 0
    chat: bool = False
    _min_length: int = PrivateAttr(1)

    @classmethod
    def known_keys(cls) -> list[str]:
        """In the place of a task a study file may name a file of prompts."""
        return [*cls.model_fields, "prompts"]

    @field_validator("template")
    @classmethod
    def _has_a_prompt(cls, template: str) -> str:
        if PROMPT not in template:
            raise ValueError(f"{shown(template)} has no place for the prompt; write {PROMPT} where it stands")
        return template

    @field_validator("task")
    @classmethod
    def _known(cls, name: str, info: ValidationInfo) -> str:
        check_known("task", [name], [*TASKS, *(info.context or {})])
        return name

    @model_validator(mode="after")
    def _long_enough(self, info: ValidationInfo) -> "TaskRange":
        known = info.context or {}
        self._min_length = (known if self.task in known else TASKS)[self.task].min_length
        if self.max_length < self.min_length:
            raise ValueError(f"max_length {self.max_length} is below the shortest {self.task}, {self.min_length}")
        return self

    @property
    def min_length(self) -> int:
        """The task's smallest length."""
        return self._min_length

    @property
    def form(self) -> TextForm:
        """How its examples are put to a model that was trained on text."""
        return TextForm(self.template, self.shots, self.chat)


class ChunkSpec(Frozen):
    """How the models of position `hsa` attend to chunks of the prompt."""

    chunk_size: Annotated[int, Field(ge=1, le=limits.LENGTH)] = 8
    """Tokens."""
    n_chosen: Annotated[int, Field(ge=1, le=limits.LENGTH)] = 2
    """Chunks that a head attends to at once."""
    window: Annotated[int, Field(ge=1, le=limits.LENGTH)] = 16
    """Tokens that the other layers attend to, each token's own among them."""


class ModelSpec(Frozen):
    """A decoder-only transformer to train from scratch."""

    position: str = "rope"
    """How it knows positions: one of the schemes in `models/positions/`."""
    positions_to: Length | None = None
    """Up to which length of prompts there are positions where each has a row (`TABLES_OF_POSITIONS`);
    `POSITIONS_TIMES` as far as the group's transfer range where a study does not say."""
    n_layers: Annotated[int, Field(ge=1, le=limits.LAYERS)] = 2
    n_heads: Annotated[int, Field(ge=1, le=limits.HEADS)] = 4
    n_key_value_heads: Annotated[int, Field(ge=1, le=limits.HEADS)] | None = None
    """Fewer than `n_heads` for grouped-query attention; None for one per head."""
    d_model: Annotated[int, Field(ge=1, le=limits.D_MODEL)] = 64
    d_mlp: Annotated[int, Field(ge=1, le=limits.D_MLP)] | None = None
    """None for 4 × d_model."""
    rope_theta: Annotated[float, Field(ge=1, le=limits.ROPE_THETA)] = 1e5
    chunks: ChunkSpec = ChunkSpec()
    """Of position `hsa`."""

    @field_validator("position")
    @classmethod
    def _known(cls, name: str) -> str:
        check_known("position scheme", [name], POSITIONS)
        return name

    @property
    def has_position_rows(self) -> bool:
        """Whether each position has a row of a table."""
        return self.position in TABLES_OF_POSITIONS

    @model_validator(mode="after")
    def _heads_fit(self) -> "ModelSpec":
        if self.d_model % (2 * self.n_heads):
            right = max(1, round(self.d_model / (2 * self.n_heads))) * 2 * self.n_heads
            raise ValueError(f"d_model {self.d_model} is not a multiple of 2 × n_heads ({self.n_heads}); try {right}")
        if self.n_key_value_heads is not None and self.n_heads % self.n_key_value_heads:
            divisors = [n for n in range(1, self.n_heads + 1) if self.n_heads % n == 0]
            right = min(divisors, key=lambda n: abs(n - (self.n_key_value_heads or 1)))
            raise ValueError(
                f"n_key_value_heads {self.n_key_value_heads} does not divide n_heads {self.n_heads}; try {right}"
            )
        return self


class CheckpointSchedule(Frozen):
    """At which training steps a checkpoint is kept; the last step always is."""

    every: Steps | None = None
    at: Annotated[tuple[Steps, ...], Field(min_length=1, max_length=limits.CHECKPOINTS, strict=False)] | None = None
    log_spaced: Annotated[int, Field(ge=2, le=limits.CHECKPOINTS)] | None = None
    """This many, evenly spaced in log step from `first` to the last step."""
    first: Steps = 10

    @model_validator(mode="after")
    def _one_way(self) -> "CheckpointSchedule":
        given = [name for name in ("every", "at", "log_spaced") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give exactly one of every, at, log_spaced (here: {', '.join(given) or 'none'})")
        return self

    def n_steps(self, last: int) -> int:
        """At most so many steps up to `last`; `steps` lists them, which takes as long as there are many."""
        return -(-last // self.every) if self.every is not None else (self.log_spaced or len(self.at or ()) + 1)

    def steps(self, last: int) -> tuple[int, ...]:
        """The steps up to `last`, in order."""
        if self.every is not None:
            chosen = set(range(self.every, last + 1, self.every))
        elif self.at is not None:
            chosen = {step for step in self.at if step <= last}
        else:
            assert self.log_spaced is not None
            first = min(self.first, last)
            exponents = [i / (self.log_spaced - 1) for i in range(self.log_spaced)]
            chosen = {round(first * (last / first) ** exponent) for exponent in exponents}
        return tuple(sorted(chosen | {last}))


class LoraSpec(Frozen):
    """Fine-tuning of low-rank changes to the weights alone (LoRA: Hu et al. 2021, arXiv 2106.09685)."""

    rank: Annotated[int, Field(ge=1, le=limits.D_MODEL)] = 16
    alpha: Annotated[float, Field(gt=0, le=limits.D_MODEL)] = 32.0
    """A change counts alpha / rank times."""
    targets: Annotated[str, Field(min_length=1)] | Annotated[tuple[str, ...], Field(min_length=1, strict=False)] = (
        "all-linear"
    )
    """How the names of the adapted modules end; `all-linear` for all linear maps but the unembedding."""


class TrainingSpec(Frozen):
    """How a model is trained jointly on the tasks of a group (Cai et al. 2025, arXiv 2506.09251, on training)."""

    steps: Steps = 3000
    batch_size: Annotated[int, Field(ge=1, le=limits.BATCH_SIZE)] = 128
    learning_rate: Annotated[float, Field(gt=0, le=limits.LEARNING_RATE)] = 1e-3
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Fraction of the steps over which the learning rate rises from 0."""
    decay: Annotated[float, Field(ge=0, le=1)] = 0.4
    """Fraction of the steps over which it falls to 0 along a half cosine; between the two it is constant."""
    betas: Annotated[tuple[Beta, Beta], Field(strict=False)] = (0.9, 0.98)
    weight_decay: Annotated[float, Field(ge=0, le=limits.WEIGHT_DECAY)] = 0.01
    clip: Annotated[float, Field(gt=0)] = 1.0
    checkpoints: CheckpointSchedule = CheckpointSchedule(every=200)
    curriculum: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Fraction of the steps over which the longest examples grow from a task's shortest length to its longest."""
    log_every: Steps = 100
    """Steps between two looks at the accuracy, on a few examples, for the training log."""
    report_to: Annotated[tuple[Literal["tensorboard", "wandb"], ...], Field(strict=False)] = ()
    """Where loss and accuracy go besides, every `log_every` steps: TensorBoard (into `curves` beside the checkpoints of
    each run) or Weights & Biases; either has to be installed."""
    bf16: bool = False
    """Whether matrix products are rounded to bfloat16 (autocast); pays on a GPU."""
    compile: bool = False
    """Whether `torch.compile` is used, which takes a minute to begin with and pays on a GPU."""
    micro_batch: Annotated[int, Field(ge=1, le=limits.BATCH_SIZE)] | None = None
    """Most examples of a batch that go through the model together, for large models; None for all of them."""
    gradient_checkpointing: bool = False
    """Whether activations are worked out again on the way back, which saves memory and costs a third more time."""
    lora: LoraSpec | None = None
    """For groups that start from pretrained models; None where all weights are trained."""

    @property
    def n_parts(self) -> int:
        """Into how many parts a batch is split."""
        return -(-self.batch_size // (self.micro_batch or self.batch_size))

    @field_validator("report_to")
    @classmethod
    def _differ(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        check_unique(names)
        return names

    @model_validator(mode="after")
    def _phases_fit(self) -> "TrainingSpec":
        if self.warmup + self.decay > 1:
            raise ValueError(
                f"warmup {self.warmup} + decay {self.decay} is more than 1; lower decay to {1 - self.warmup:g}"
            )
        return self


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
    ablated_share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """With what probability `banzhaf` ablates each other head. Of a deep model half of the heads gone leave nothing to
    be measured; less than a half is right there."""
    subsets: Annotated[int, Field(ge=4, le=limits.SUBSETS)] | None = None
    """How many subsets of heads `banzhaf` and `shapley` draw; where this is not given, all of them are taken of a model
    of up to 12 heads, and 12 for each head are drawn of a larger one."""
    n_score_examples: NExamples = 256
    """Examples per task for head scores and patterns."""
    score_length: Length | None = None
    """Length at which heads are scored: within main's training range; None for its longest."""
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
