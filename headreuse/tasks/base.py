"""What a task is, and how a family adds one: a class with an oracle and a vectorised generator, under `@task`."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Int

from headreuse.registry import Registry

BLANK = -1
"""Fills the end of rows that are shorter than their array is wide."""


@dataclass(frozen=True)
class Examples:
    """Examples of one task as indices into its alphabet; every row is filled from the left, then `BLANK`."""

    prompt: Int[np.ndarray, "example prompt_width"]
    answer: Int[np.ndarray, "example answer_width"]
    corrupted_prompt: Int[np.ndarray, "example prompt_width"]
    """Has the layout of `prompt`, and differs in as few input symbols as the task allows: in most in one."""
    corrupted_answer: Int[np.ndarray, "example answer_width"]
    """Differs from `answer` and has its length."""
    scored: Bool[np.ndarray, "example answer_width"] | None = None
    """Answer symbols that count; None for all of them and EOS."""

    def counted(self, answer: Int[np.ndarray, "example answer_width"]) -> Int[np.ndarray, "example answer_width"]:
        """Of these examples' answers, or of their corrupted ones, the symbols that count; the others are blank."""
        return answer if self.scored is None else np.where(self.scored, answer, BLANK)


class Task(ABC):
    """A mapping from prompts to answers, of any length from `min_length` on."""

    name: ClassVar[str]
    """Set by `@task`."""
    min_length: ClassVar[int] = 1
    separators: ClassVar[frozenset[str]] = frozenset("=")
    """Symbols of the alphabet that give a prompt its layout and carry no input."""
    held_out_one_in: ClassVar[int] = 8
    """The share of its prompts that are kept out of training (`held_out.py`)."""

    def __init__(self, *, alphabet_size: int = 26, grid_size: int = 8) -> None:
        self.alphabet_size = alphabet_size
        """Letters in each case, of tasks on strings."""
        self.grid_size = grid_size
        """Nodes on a side, of tasks on mazes."""

    @property
    def max_length(self) -> int | None:
        """The longest there is an example of; None where there is none."""
        return None

    @property
    def marker(self) -> str:
        """The token that tells this task's prompts from another's."""
        return f"<{self.name}>"

    @property
    @abstractmethod
    def alphabet(self) -> tuple[str, ...]:
        """Every symbol that a prompt or an answer may hold; one symbol is one token."""

    @abstractmethod
    def answer(self, prompt: str) -> str:
        """The right answer to a prompt's text, of which all counts, worked out without the generator."""

    @abstractmethod
    def generate(self, lengths: Int[np.ndarray, "example"], generator: np.random.Generator) -> Examples:
        """One example of each given length, drawn from `generator` alone, without a Python loop over examples."""

    def generate_training(self, n: int, max_length: int, generator: np.random.Generator) -> Examples:
        """`n` examples as training draws them: of lengths uniform from the smallest to `max_length`."""
        return self.generate(generator.integers(self.min_length, max_length + 1, size=n), generator)

    def check_lengths(self, lengths: Int[np.ndarray, "example"]) -> None:
        """Refuse lengths at which the task has no examples."""
        if len(lengths) and lengths.min() < self.min_length:
            raise ValueError(
                f"{self.name} has no examples of length {lengths.min()}; its smallest is {self.min_length}"
            )

    def text(self, symbols: Int[np.ndarray, "width"]) -> str:
        """The text of one row of `Examples`."""
        return "".join(self.alphabet[symbol] for symbol in symbols if symbol != BLANK)


TASKS: Registry[type[Task]] = Registry("task")


def task(name: str) -> Callable[[type[Task]], type[Task]]:
    """Class decorator: register a `Task` under `name`."""

    def register(cls: type[Task]) -> type[Task]:
        cls.name = name
        TASKS.add(name, cls)
        return cls

    return register
