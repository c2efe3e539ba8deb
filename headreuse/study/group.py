"""A group of a study: a main task, its auxiliaries, their lengths and heads, and where its models come from."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_serializer, field_validator, model_validator

from headreuse.study import limits
from headreuse.study.frozen import Frozen, Length, Name, check_unique
from headreuse.study.model_spec import ModelSpec
from headreuse.study.one_group import longest_training
from headreuse.study.source_specs import SOURCE_SPECS, SourceSpec, read_source, under_source
from headreuse.study.task_range import TaskRange
from headreuse.study.training_spec import TrainingSpec
from headreuse.study.unfolding import UNFOLDING


class Group(Frozen):
    """A main task, the longer auxiliary tasks trained with it, and whether they are thought to be related."""

    name: Name
    """Of the group in every table and figure, and of its folder."""
    # None of a study that was trained before groups differed: its weights depend on the seed alone.
    twins: Name | None = Field(default_factory=lambda known: known.get("name"))
    """Groups of one `twins` start from the same initial weights at each seed, where their models have one shape; its
    own name where a study file does not say, and for what one entry is unfolded to the name of that entry."""
    kind: Literal["related", "control", "alone"] = "related"
    """`alone` exactly where there is no auxiliary, and needs not be said."""
    main: TaskRange
    """The task whose extrapolation is asked about."""
    auxiliary: Annotated[tuple[TaskRange, ...], Field(max_length=limits.AUXILIARIES, strict=False)] = ()
    """The tasks beside it, which are usually longer; none for main alone."""
    heads: tuple[tuple[int, ...], ...] = ()
    """The query heads that each task may use in every layer, main's first; empty where all use all. In a study file a
    word, a share or a table by task: see `masking.py`."""
    transfer_to: Length = 1
    """Where the transfer range of main ends: where a study file does not say, at the longest training length of the
    group. A main task that is trained alone has a transfer range only where this is given."""
    evaluate_to: Length | None = None
    """Where accuracy curves end; `measures.beyond` past `transfer_to` where a study file does not say."""
    source: SourceSpec | None = None
    """Where its checkpoints come from, in a study file under the source's own key; None where they are trained here."""
    # None for the study's own.
    model: ModelSpec | None = None
    """In a study file what is otherwise than in the study's own."""
    training: TrainingSpec = TrainingSpec()
    """In a study file what is otherwise than in the study's own."""

    @classmethod
    def known_keys(cls) -> list[str]:
        """Its own, those that ask for several groups at once, and those of sources."""
        own = (name for name in cls.model_fields if name != "source")
        return list(dict.fromkeys([*own, *UNFOLDING, *SOURCE_SPECS]))

    @model_validator(mode="before")
    @classmethod
    def _filled(cls, raw: Any) -> Any:
        """The raw group with what follows from the rest of it."""
        if not isinstance(raw, dict):
            return raw
        raw = under_source(raw)
        if not raw.get("auxiliary") and raw.get("kind") is None:
            raw = raw | {"kind": "alone"}
        if raw.get("transfer_to") is None:
            raw = raw | {"transfer_to": longest_training(raw) or 1}
        return raw

    @field_validator("source", mode="before")
    @classmethod
    def _source(cls, raw: Any) -> Any:
        return read_source(raw)

    @field_serializer("source")
    def _source_under_its_key(self, source: SourceSpec | None) -> dict[str, Any] | None:
        return None if source is None else {source.key: source.model_dump(mode="json")}

    @field_validator("heads", mode="before")
    @classmethod
    def _heads_in_order(cls, raw: Any, info: ValidationInfo) -> Any:
        """From a table by task, which has been checked, or from none."""
        if raw is None or not {"main", "auxiliary"} <= info.data.keys():
            return ()
        tasks = [entry.task for entry in (info.data["main"], *info.data["auxiliary"])]
        return tuple(tuple(raw[task]) for task in tasks) if isinstance(raw, dict) else raw

    @field_serializer("heads")
    def _heads_with_tasks(self, heads: tuple[tuple[int, ...], ...]) -> dict[str, list[int]] | None:
        return self.heads_by_task or None

    @model_validator(mode="after")
    def _kind_fits(self) -> "Group":
        if (self.kind == "alone") == bool(self.auxiliary):
            right = '"related" or "control"' if self.auxiliary else '"alone", or give an auxiliary'
            tasks = "with auxiliary tasks" if self.auxiliary else "without auxiliary tasks"
            raise ValueError(f'kind "{self.kind}" {tasks}; make it {right}')
        return self

    @model_validator(mode="after")
    def _tasks_differ(self) -> "Group":
        check_unique(self.task_names)
        return self

    @model_validator(mode="after")
    def _heads_fit(self) -> "Group":
        if self.heads and (len(self.heads) != len(self.tasks) or not all(self.heads)):
            raise ValueError("heads: give those of each task, at least one")
        return self

    @model_validator(mode="after")
    def _lengths_fit(self) -> "Group":
        if self.transfer_to < self.trained_to:
            raise ValueError(f"transfer_to {self.transfer_to} is below the longest training length, {self.trained_to}")
        if self.evaluate_to is not None and self.evaluate_to < self.transfer_to:
            raise ValueError(f"evaluate_to {self.evaluate_to} is below transfer_to, {self.transfer_to}")
        return self

    @property
    def tasks(self) -> tuple[TaskRange, ...]:
        """Main first, then the auxiliaries."""
        return (self.main, *self.auxiliary)

    @property
    def trained_to(self) -> int:
        """The longest length that any of its tasks is trained on; the gap is averaged up to here."""
        return max(entry.max_length for entry in self.tasks)

    @property
    def task_names(self) -> tuple[str, ...]:
        """Main's name first, then the auxiliaries'."""
        return tuple(entry.task for entry in self.tasks)

    @property
    def has_lengths(self) -> bool:
        """Whether its examples have lengths, so that a gap between lengths can be told."""
        return self.trained_to > 0

    @property
    def heads_by_task(self) -> dict[str, list[int]]:
        """The query heads that each task may use in every layer; empty where all use all."""
        return {task: list(heads) for task, heads in zip(self.task_names, self.heads, strict=False)}

    def heads_of(self, task: str) -> tuple[int, ...] | None:
        """The query heads that one of its tasks may use in every layer; None for all."""
        return self.heads[self.task_names.index(task)] if self.heads else None

    @property
    def is_trained_here(self) -> bool:
        """Whether its models are trained here, from scratch or from pretrained ones."""
        return self.source is None or self.source.trains

    def role(self, task: str) -> str:
        """`main` or `auxiliary`."""
        return "main" if task == self.main.task else "auxiliary"
