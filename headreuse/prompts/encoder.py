"""How an example becomes token ids with roles. A further encoder is one file of this room with an `@encoder` class."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from jaxtyping import Int

from headreuse.errors import HeadreuseError
from headreuse.prompts.form import DEFAULT_FORM, TextForm
from headreuse.prompts.rows import TextPrompts
from headreuse.records import Prompts
from headreuse.registry import Registry
from headreuse.tasks import Examples, Task, evaluation_examples


class Encoder(ABC):
    """Turns examples of tasks into token ids; equal encoders give equal prompts and have equal hashes."""

    tokens_of: ClassVar[str]
    """Whose tokens it knows, for messages."""

    @classmethod
    @abstractmethod
    def read(cls, folder: Path) -> Self | None:
        """The encoder that fits the tokenizer in a checkpoint's folder; None where that is of another kind."""

    @abstractmethod
    def encode(
        self, task: Task, examples: Examples, lengths: Int[np.ndarray, "prompt"], form: TextForm = DEFAULT_FORM
    ) -> Prompts:
        """The examples as prompts, right-padded to the longest; `lengths` are the task's lengths of the examples."""

    @abstractmethod
    def encode_text(self, rows: TextPrompts, form: TextForm = DEFAULT_FORM) -> Prompts:
        """Prompts that a user wrote as text; their lengths are the rows' own, or 0 where these have none."""


ENCODERS: Registry[type[Encoder]] = Registry("encoder", room="headreuse.prompts")


def encoder(cls: type[Encoder]) -> type[Encoder]:
    """Class decorator: checkpoints whose tokenizer the class can read are encoded by it."""
    ENCODERS.add(cls.__name__, cls)
    return cls


def encoder_of(folder: Path) -> Encoder:
    """The encoder of a checkpoint's folder: the first that can read the tokenizer there."""
    if not (folder / "tokenizer.json").is_file():
        raise HeadreuseError(f"{folder}: tokenizer.json is missing; copy it from another checkpoint of the series")
    for cls in ENCODERS.values():
        if (found := cls.read(folder)) is not None:
            return found
    known = " or ".join(cls.tokens_of for cls in ENCODERS.values())
    raise HeadreuseError(f"{folder}: its tokenizer is not one of {known}")


def make_prompts(
    task: Task,
    lengths: Int[np.ndarray, "prompt"],
    generator: np.random.Generator,
    encoder: Encoder,
    form: TextForm = DEFAULT_FORM,
) -> Prompts:
    """One prompt of each given length for evaluation, drawn from `generator` alone; training meets none of them."""
    return encoder.encode(task, evaluation_examples(task, lengths, generator), lengths, form)
