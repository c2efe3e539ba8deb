"""The tokens of models that this package trains: specials, markers of the tasks, symbols of their alphabets."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from jaxtyping import Bool, Int, Shaped

from headreuse.errors import HeadreuseError, nearest
from headreuse.prompts.encoder import Encoder, encoder
from headreuse.prompts.form import DEFAULT_FORM, TextForm
from headreuse.prompts.rows import TextPrompts
from headreuse.records import Prompts, Role
from headreuse.tasks import BLANK, Examples, Task

PAD, BOS, EOS = range(3)
SPECIALS = ("<pad>", "<bos>", "<eos>")


@encoder
@dataclass(frozen=True)
class Vocabulary(Encoder):
    """Tokens in the order of their ids: specials, markers of the tasks, symbols of their alphabets."""

    tokens_of: ClassVar[str] = "this package"

    tokens: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.tokens[: len(SPECIALS)] != SPECIALS:
            raise ValueError(f"a vocabulary begins with {' '.join(SPECIALS)}, not {' '.join(self.tokens[:3])}")
        assert len(set(self.tokens)) == len(self.tokens), "a token is listed twice"

    @classmethod
    def of(cls, tasks: Sequence[Task]) -> "Vocabulary":
        """What prompts of these tasks are made of, in the order in which the tasks name it."""
        symbols = (symbol for task in tasks for symbol in task.alphabet)
        return cls(tuple(dict.fromkeys((*SPECIALS, *(task.marker for task in tasks), *symbols))))

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The vocabulary in the tokenizer of a checkpoint that this package trained; None for any other tokenizer."""
        try:
            model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
            ids = model["vocab"] if model["type"] == "WordLevel" else {}
            tokens = tuple(sorted(ids, key=ids.__getitem__))
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
        return cls(tokens) if tokens[: len(SPECIALS)] == SPECIALS else None

    def __len__(self) -> int:
        return len(self.tokens)

    def id(self, token: str) -> int:
        """The id of one token."""
        if token not in self._ids:
            raise LookupError(f"unknown token {token!r}{nearest(token, list(self.tokens))}; this vocabulary has {self}")
        return self._ids[token]

    def encode(
        self, task: Task, examples: Examples, lengths: Int[np.ndarray, "prompt"], form: TextForm = DEFAULT_FORM
    ) -> Prompts:
        """Rows `BOS marker prompt answer EOS`, right-padded to the longest; they have no other form."""
        if form != DEFAULT_FORM:
            raise HeadreuseError(
                f"{task.name}: template, shots and chat are for models of text, and this one reads the tasks' own "
                "symbols; leave them away"
            )
        marker = self.id(task.marker)
        # BLANK is -1 and so takes the last entry.
        ids = np.array([*map(self.id, task.alphabet), PAD])
        input_roles = [Role.SEPARATOR if symbol in task.separators else Role.INPUT for symbol in task.alphabet]
        roles_of_symbols = np.array([*input_roles, Role.PAD])

        clean = _framed(ids[examples.prompt], ids[examples.answer], BOS, marker, EOS)
        corrupted = _framed(ids[examples.corrupted_prompt], ids[examples.corrupted_answer], BOS, marker, EOS)
        in_answer = examples.answer != BLANK
        answer_roles = np.where(in_answer, Role.ANSWER, Role.PAD)
        roles = _framed(roles_of_symbols[examples.prompt], answer_roles, Role.BOS, Role.MARKER, Role.ANSWER)
        scored_answer = in_answer if examples.scored is None else examples.scored
        nothing = np.zeros(examples.prompt.shape, dtype=bool)
        scored = _framed(nothing, scored_answer, False, False, examples.scored is None)

        order = _left_justified(clean != PAD)
        tokens, corrupted, roles, scored = (
            np.take_along_axis(part, order, axis=1) for part in (clean, corrupted, roles, scored)
        )
        assert ((corrupted == PAD) == (tokens == PAD)).all(), "a corrupted partner has another layout"
        return Prompts(task.name, tokens, corrupted, roles, scored, np.asarray(lengths))

    def encode_text(self, rows: TextPrompts, form: TextForm = DEFAULT_FORM) -> Prompts:
        """Refused: a model that reads the tasks' symbols alone was never shown text."""
        raise HeadreuseError(
            f"{rows.name}: prompts of text are for models of text, and this one reads the tasks' own symbols; "
            "name a task instead"
        )

    def __str__(self) -> str:
        return " ".join(self.tokens)

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.tokens)}


def _framed(
    prompt: Shaped[np.ndarray, "prompt prompt_width"],
    answer: Shaped[np.ndarray, "prompt answer_width"],
    start: int,
    marker: int,
    end: int,
) -> Shaped[np.ndarray, "prompt width"]:
    """`start marker prompt answer end` side by side, with the gaps that short prompts and answers leave."""

    def column(value: int) -> np.ndarray:
        return np.full((len(prompt), 1), value, dtype=prompt.dtype)

    return np.concatenate([column(start), column(marker), prompt, answer, column(end)], axis=1)


def _left_justified(filled: Bool[np.ndarray, "prompt width"]) -> Int[np.ndarray, "prompt pos"]:
    """For each row the columns that are filled, in order, then as many others as the longest row needs."""
    longest = filled.sum(axis=1).max(initial=0)
    return np.argsort(~filled, axis=1, kind="stable")[:, :longest]
