"""A task or a file of prompts in a study file, with the longest length that is trained."""

from typing import Annotated

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator, model_validator

from headreuse.prompts.form import PROMPT, TextForm
from headreuse.study import limits
from headreuse.study.frozen import Frozen, check_known
from headreuse.study.showing import shown
from headreuse.tasks import TASKS


class TaskRange(Frozen):
    """A task and the longest length at which a model is trained on it; or a file of prompts, under its name."""

    task: str
    """One that `headreuse tasks` lists, or of a file of your own."""
    max_length: Annotated[int, Field(ge=0, le=limits.LENGTH)]
    """The longest length that is trained; 0 of a file of prompts that gives no lengths."""
    template: Annotated[str, Field(max_length=limits.TEMPLATE)] = PROMPT
    """The text around a prompt, for models that were trained on text: `{prompt}` is where it stands."""
    shots: Annotated[int, Field(ge=0, le=limits.SHOTS)] = 0
    """Examples with their answers in front of the prompt, for such models."""
    chat: bool = False
    """Whether the text is put into the chat template of the model's tokenizer."""
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
