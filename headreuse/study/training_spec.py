"""The training in a study file: steps, learning rate, checkpoints, and what of a pretrained model is tuned."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from headreuse.study import limits
from headreuse.study.frozen import Frozen, check_unique

Steps = Annotated[int, Field(ge=1, le=limits.STEPS)]
Beta = Annotated[float, Field(ge=0, lt=1)]


class CheckpointSchedule(Frozen):
    """At which training steps a checkpoint is kept; the last step always is."""

    every: Steps | None = None
    """One each so many steps."""
    at: Annotated[tuple[Steps, ...], Field(min_length=1, max_length=limits.CHECKPOINTS, strict=False)] | None = None
    """At these steps."""
    log_spaced: Annotated[int, Field(ge=2, le=limits.CHECKPOINTS)] | None = None
    """This many, evenly spaced in log step from `first` to the last step."""
    first: Steps = 10
    """The first step of those."""

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
    """Of each change."""
    alpha: Annotated[float, Field(gt=0, le=limits.D_MODEL)] = 32.0
    """A change counts alpha / rank times."""
    targets: Annotated[str, Field(min_length=1)] | Annotated[tuple[str, ...], Field(min_length=1, strict=False)] = (
        "all-linear"
    )
    """How the names of the adapted modules end; `all-linear` for all linear maps but the unembedding."""


class TrainingSpec(Frozen):
    """How a model is trained jointly on the tasks of a group (Cai et al. 2025, arXiv 2506.09251, on training)."""

    steps: Steps = 3000
    """Batches, one after the other."""
    batch_size: Annotated[int, Field(ge=1, le=limits.BATCH_SIZE)] = 128
    """Examples of a batch, of all tasks of the group."""
    learning_rate: Annotated[float, Field(gt=0, le=limits.LEARNING_RATE)] = 1e-3
    """The highest, after the warm-up."""
    warmup: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Fraction of the steps over which the learning rate rises from 0."""
    decay: Annotated[float, Field(ge=0, le=1)] = 0.4
    """Fraction of the steps over which it falls to 0 along a half cosine; between the two it is constant."""
    betas: Annotated[tuple[Beta, Beta], Field(strict=False)] = (0.9, 0.98)
    """Of AdamW."""
    weight_decay: Annotated[float, Field(ge=0, le=limits.WEIGHT_DECAY)] = 0.01
    """Of AdamW."""
    clip: Annotated[float, Field(gt=0)] = 1.0
    """The largest norm of a gradient; longer ones are shortened to it."""
    checkpoints: CheckpointSchedule = CheckpointSchedule(every=200)
    """Which steps are kept and measured; the last one always is."""
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
    """Most examples of a batch that go through the model together, for large models; all of them where a study does
    not say."""
    gradient_checkpointing: bool = False
    """Whether activations are worked out again on the way back, which saves memory and costs a third more time."""
    lora: LoraSpec | None = None
    """For groups that start from pretrained models; all weights are trained where a study does not say."""

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
