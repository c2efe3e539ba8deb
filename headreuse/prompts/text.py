"""Prompts from text: which tokens are the answer's, which have a role of their own, and what cannot be expressed.

A prompt and its answer are split into tokens together, as a model met such text in training. Each token is known by the
characters that it stands for: it belongs to the answer where one of these does, so that a token in which the end of the
prompt and the beginning of the answer are merged is the answer's. Padding comes last, whatever the tokenizer would do:
causality masks it, and positions are those of prompts without padding.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headreuse.errors import HeadreuseError
from headreuse.prompts.form import DEFAULT_FORM, TextForm
from headreuse.prompts.rendering import Renderer, Solved
from headreuse.prompts.rows import Problems, Span, TextPrompts, checked_rows, read_prompts
from headreuse.prompts.splitting import (
    Split,
    Splitter,
    as_prompts,
    contrast_problems,
    partner_problems,
    question_of,
)
from headreuse.prompts.tokenizing import TextTokenizer
from headreuse.records import Prompts


def from_text(
    tokenizer: Any,
    clean: Sequence[str],
    answers: Sequence[str],
    corrupted: Sequence[str] | None = None,
    wrong_answers: Sequence[str] | None = None,
    *,
    lengths: Sequence[int] | None = None,
    spans: Sequence[Mapping[str, Sequence[int]]] | None = None,
    task: str = "prompts",
    form: TextForm = DEFAULT_FORM,
    end: bool = False,
) -> Prompts:
    """Prompts for any score, from lists of text: each answer follows its prompt directly.

    Raises `HeadreuseError` that names every faulty prompt.

    Args:
        tokenizer: Of Transformers (fast or slow), a `tokenizers.Tokenizer`, or a bridge's `.tokenizer`.
        clean: The prompts.
        answers: What is scored; a space in front of an answer belongs to it or to the prompt, as you write it.
        corrupted: Partners for patching, each of as many tokens as its prompt.
        wrong_answers: What `logit_diff` compares with, token by token; each of as many tokens as the answer.
        lengths: For accuracy by length.
        spans: Parts of each prompt that correspond, as `{"IO": [5, 9]}` in characters of `clean`: they take the place
            of positions where prompts are not of one layout.
        task: What the prompts are called.
        form: The text around each prompt.
        end: Score the token for the end of the text too.
    """
    columns: dict[str, Sequence[Any] | None] = {
        "clean": clean,
        "answer": answers,
        "corrupted": corrupted,
        "wrong_answer": wrong_answers,
        "length": None if lengths is None else [int(length) for length in lengths],
        "spans": None if spans is None else [dict(entry) for entry in spans],
    }
    given = {name: values for name, values in columns.items() if values is not None}
    sizes = {name: len(values) for name, values in given.items()}
    if len(set(sizes.values())) > 1:
        raise HeadreuseError(f"{task}: not as many of each: {', '.join(f'{n} {name}' for name, n in sizes.items())}")
    rows = [
        (f"[{index}]", dict(zip(given, values, strict=True)))
        for index, values in enumerate(zip(*given.values(), strict=True))
    ]
    return prompts_of(TextTokenizer(tokenizer), checked_rows(task, rows), form, end=end)


def from_file(tokenizer: Any, path: str | Path, *, form: TextForm = DEFAULT_FORM, end: bool = False) -> Prompts:
    """Prompts for any score, from a file of prompts (JSONL or CSV); they are named after it.

    Arguments and errors are those of `from_text`; `Prompts.of_length(0)` takes prompts of several lengths together.
    """
    return prompts_of(TextTokenizer(tokenizer), read_prompts(Path(path)), form, end=end)


def prompts_of(tokenizer: TextTokenizer, rows: TextPrompts, form: TextForm, *, end: bool = False) -> Prompts:
    """Prompts from rows of text; the solved examples in front of each are the first other rows."""
    if form.shots >= len(rows):
        raise HeadreuseError(f"{rows.name}: {len(rows)} prompts are too few for {form.shots} solved examples of others")
    renderer = Renderer(tokenizer, rows.name, form)
    names = tuple(span.name for span in rows.spans[0]) if rows.spans else ()
    splitter = Splitter(tokenizer, chat=form.chat, role_names=names, end=end)

    def split(
        texts: Sequence[str], answers: Sequence[str], spans: Sequence[Sequence[Span]] | None = None
    ) -> list[Split]:
        spans = [()] * len(rows) if spans is None else spans
        return [
            splitter.split(question_of(renderer, text, answer, _others(rows, index, form.shots), spans[index]))
            for index, (text, answer) in enumerate(zip(texts, answers, strict=True))
        ]

    clean = split(rows.clean, rows.answers, rows.spans)
    corrupted = split(rows.corrupted, rows.answers) if rows.corrupted else None
    contrast = split(rows.clean, rows.wrong_answers) if rows.wrong_answers else None
    problems = Problems(rows.name)
    for index, place in enumerate(rows.places):
        found = [*clean[index].problems]
        found += partner_problems(clean[index], corrupted[index]) if corrupted else ()
        found += contrast_problems(clean[index], contrast[index]) if contrast else ()
        for problem in found:
            problems.add(place, problem)
    problems.raise_any()
    lengths = np.array(rows.lengths) if rows.lengths else np.zeros(len(rows), dtype=np.int64)
    return as_prompts(rows.name, clean, lengths, corrupted=corrupted, contrast=contrast, role_names=names)


def _others(rows: TextPrompts, index: int, n: int) -> list[Solved]:
    """The first `n` rows except one, solved."""
    return [(rows.clean[other], rows.answers[other]) for other in range(n + 1) if other != index][:n]
