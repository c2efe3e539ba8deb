"""The tokens of models that others trained on text: any tokenizer that Transformers reads from files alone."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from jaxtyping import Int

from headreuse.errors import HeadreuseError
from headreuse.prompts.encoder import Encoder, encoder
from headreuse.prompts.form import DEFAULT_FORM, TextForm
from headreuse.prompts.rendering import Renderer, Solved
from headreuse.prompts.rows import Problems, TextPrompts
from headreuse.prompts.splitting import Question, Split, Splitter, as_prompts, partner_problems
from headreuse.prompts.text import prompts_of
from headreuse.prompts.tokenizing import TextTokenizer
from headreuse.records import Prompts
from headreuse.tasks import BLANK, Examples, Task, training_examples

FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja")
"""What a tokenizer is made of."""
SHOT_LENGTH = 6
"""Solved examples of a task go up to this length, whatever the prompts' own: curves by length differ in those alone."""
SHOTS_SEED = 0


@encoder
@dataclass(frozen=True)
class Foreign(Encoder):
    """A tokenizer of text in a checkpoint's folder."""

    tokens_of: ClassVar[str] = "a text model"

    digest: str
    """SHA-256 of its files: two folders with the same tokenizer have equal encoders."""
    folder: Path = field(compare=False)
    ends: bool = False
    """Whether the end of the text belongs to the answers of tasks, as for models that are fine-tuned on such answers;
    not to those of which parts alone are scored."""

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The tokenizer of a folder, loaded when it is first used; None where its file is none of a tokenizer."""
        files = [folder / name for name in FILES if (folder / name).is_file()]
        try:
            kind = json.loads((folder / "tokenizer.json").read_bytes())["model"]["type"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        if not isinstance(kind, str):
            return None
        content = b"".join(file.name.encode() + b"\0" + file.read_bytes() for file in files)
        return cls(hashlib.sha256(content).hexdigest(), folder)

    def encode(
        self, task: Task, examples: Examples, lengths: Int[np.ndarray, "prompt"], form: TextForm = DEFAULT_FORM
    ) -> Prompts:
        """Examples of a task as text, symbol after symbol, in a form.

        Solved examples are the same in front of all prompts; none of them is ever an evaluation's. A corrupted partner
        must have as many tokens as its prompt. Where digits or letters are merged not all have, and then the prompts
        have no partners: drawing others would make the prompts depend on the tokenizer.
        """
        renderer = Renderer(self.tokenizer, task.name, form)
        splitter = Splitter(self.tokenizer, chat=form.chat, end=self.ends and examples.scored is None)
        solved = _solved(task, form.shots)
        answers = list(_answers(task, examples))

        def split(prompts: Int[np.ndarray, "prompt width"]) -> list[Split]:
            return [
                splitter.split(Question(renderer.render(task.text(prompt), solved).text, answer, scored=scored))
                for prompt, (answer, scored) in zip(prompts, answers, strict=True)
            ]

        clean, corrupted = split(examples.prompt), split(examples.corrupted_prompt)
        problems = Problems(task.name)
        for prompt, found in zip(examples.prompt, clean, strict=True):
            for problem in found.problems:
                problems.add(repr(task.text(prompt)), problem)
        problems.raise_any()
        fits = not any(next(partner_problems(*pair), None) for pair in zip(clean, corrupted, strict=True))
        return as_prompts(task.name, clean, np.asarray(lengths), corrupted=corrupted if fits else None)

    def encode_text(self, rows: TextPrompts, form: TextForm = DEFAULT_FORM) -> Prompts:
        """Rows of a file of prompts; see `prompts_of`."""
        return prompts_of(self.tokenizer, rows, form)

    @cached_property
    def tokenizer(self) -> TextTokenizer:
        """As Transformers loads it, from the files of the folder alone and without code of theirs."""
        # Slow to import, and only needed where prompts are made.
        from transformers import AutoTokenizer

        try:
            loaded = AutoTokenizer.from_pretrained(self.folder, local_files_only=True, trust_remote_code=False)
        except Exception as error:
            # Transformers and tokenizers raise whatever they like about files that they cannot use.
            reason = " ".join(str(error).split())[:200]
            raise HeadreuseError(f"{self.folder}: its tokenizer cannot be loaded: {reason}") from None
        return TextTokenizer(loaded)


def _solved(task: Task, n: int) -> list[Solved]:
    """Examples of a task with their answers, none of which is held out for evaluation."""
    if not n:
        return []
    longest = max(SHOT_LENGTH, task.min_length)
    longest = longest if task.max_length is None else min(longest, task.max_length)
    drawn = training_examples(task, n, longest, np.random.default_rng(SHOTS_SEED))
    return [(task.text(prompt), task.text(answer)) for prompt, answer in zip(drawn.prompt, drawn.answer, strict=True)]


def _answers(task: Task, examples: Examples) -> Iterator[tuple[str, tuple[tuple[int, int], ...] | None]]:
    """Each answer as text, and which of its characters are scored; None for all."""
    for row, answer in enumerate(examples.answer):
        symbols = [task.alphabet[symbol] for symbol in answer if symbol != BLANK]
        ends = np.cumsum([len(symbol) for symbol in symbols])
        if examples.scored is None:
            yield "".join(symbols), None
            continue
        counts = examples.scored[row][answer != BLANK]
        parts = tuple(
            (int(end) - len(symbol), int(end)) for symbol, end, one in zip(symbols, ends, counts, strict=True) if one
        )
        yield "".join(symbols), parts
