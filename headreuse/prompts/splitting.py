"""One prompt and its answer as tokens with roles: the answer's by their characters, the special ones once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from headreuse.errors import HeadreuseError
from headreuse.prompts.rendering import Renderer, Solved
from headreuse.prompts.rows import Span
from headreuse.prompts.tokenizing import TextTokenizer, Tokens
from headreuse.records import Prompts, Role


@dataclass(frozen=True)
class Question:
    """A text and the answer that follows it directly."""

    text: str
    answer: str
    spans: tuple[Span, ...] = ()
    """In characters of the text."""
    scored: tuple[tuple[int, int], ...] | None = None
    """The parts of the answer that count, in its characters; None for all of it."""


@dataclass(frozen=True)
class Split:
    """The tokens of a question and its answer, and what of them cannot be expressed."""

    tokens: tuple[int, ...]
    roles: tuple[int, ...]
    scored: tuple[bool, ...]
    problems: tuple[str, ...]

    @property
    def n_before(self) -> int:
        """Tokens before the answer."""
        return self.roles.index(Role.ANSWER) if Role.ANSWER in self.roles else len(self.roles)

    @property
    def n_answer(self) -> int:
        """Tokens of the answer."""
        return len(self.tokens) - self.n_before


def question_of(
    renderer: Renderer, prompt: str, answer: str, solved: Sequence[Solved] = (), spans: Sequence[Span] = ()
) -> Question:
    """A prompt in its form, with its answer."""
    rendered = renderer.render(prompt, solved)
    if spans and rendered.start is None:
        raise HeadreuseError(f"{renderer.task}: the chat template changes the prompts, so their spans are not found")
    start = rendered.start or 0
    moved = (Span(span.name, span.start + start, span.end + start) for span in spans)
    return Question(rendered.text, answer, tuple(moved))


@dataclass(frozen=True)
class Splitter:
    """Splits questions into tokens."""

    tokenizer: TextTokenizer
    chat: bool = False
    """Whether a chat template has put the special tokens into the text already."""
    role_names: tuple[str, ...] = ()
    end: bool = False
    """Whether the token for the end of the text is scored too."""

    def split(self, question: Question) -> Split:
        """The tokens of one question, with roles."""
        found = self.tokenizer.encode(question.text + question.answer)
        before, n_own = self._first(found.ids)
        border = len(question.text)
        in_answer = [end > border or start >= border for start, end in zip(found.starts, found.ends, strict=True)]
        roles = [Role.ANSWER.value if after else Role.INPUT.value for after in in_answer]
        problems = [*self._answer_problems(found, in_answer, question), *self._name(roles, found, question.spans)]
        roles[:n_own] = [Role.BOS.value] * n_own
        last = self._last()
        if not before and (not roles or roles[0] == Role.ANSWER):
            problems.append("no token stands before the answer, so nothing predicts it; give a longer prompt")
        return Split(
            (*before, *found.ids, *last),
            (*(Role.BOS.value for _ in before), *roles, *(Role.ANSWER.value for _ in last)),
            (*(False for _ in before), *_counted(found, in_answer, question), *(True for _ in last)),
            tuple(problems),
        )

    def _first(self, ids: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
        """The special tokens to put before a text, and how many the text begins with already: they stand there once."""
        frame = self.tokenizer.frame[0]
        if frame and ids[: len(frame)] == frame:
            return (), len(frame)
        return () if self.chat else frame, int(ids[:1] == (self.tokenizer.first,))

    def _last(self) -> tuple[int, ...]:
        if self.end and not self.tokenizer.end:
            raise HeadreuseError("the tokenizer has no token for the end of a text; leave `end` away")
        return self.tokenizer.end if self.end else ()

    def _answer_problems(self, found: Tokens, in_answer: Sequence[bool], question: Question) -> Iterator[str]:
        ids = [token for token, after in zip(found.ids, in_answer, strict=True) if after]
        given_back = _without_spaces(self.tokenizer.decode(found.ids))
        if (
            not ids
            or self.tokenizer.unknown.intersection(ids)
            or not given_back.endswith(_without_spaces(question.answer))
        ):
            back = self.tokenizer.decode(ids) if ids else ""
            yield f"`answer` {_cut(question.answer)} cannot be given back by the tokenizer: it becomes {_cut(back)}"

    def _name(self, roles: list[int], found: Tokens, spans: Sequence[Span]) -> Iterator[str]:
        """Give the tokens of each span its role; yields what is wrong."""
        for span in spans:
            own = [i for i in range(len(roles)) if found.starts[i] < span.end and found.ends[i] > span.start]
            other = [role for role in (roles[index] for index in own) if role != Role.INPUT]
            if not own or other:
                shares = "the answer" if Role.ANSWER in other else "another span"
                yield f"`spans`: {span.name} has {f'a token together with {shares}' if other else 'no token'}"
            for index in own:
                roles[index] = len(Role) + self.role_names.index(span.name)


def partner_problems(clean: Split, partner: Split) -> Iterator[str]:
    """Why a text is no corrupted partner of another: the two must have as many tokens."""
    if partner.n_before != clean.n_before:
        yield (
            f"`corrupted` has {partner.n_before} tokens before the answer, `clean` has {clean.n_before}; "
            "give a partner of as many"
        )
    elif partner.n_answer != clean.n_answer:
        yield "`corrupted` merges with the answer into other tokens than `clean` does; give another partner"


def contrast_problems(clean: Split, other: Split) -> Iterator[str]:
    """Why a wrong answer cannot be compared with an answer: the two must differ, in as many tokens."""
    n = clean.n_before
    if other.n_before != n or other.tokens[:n] != clean.tokens[:n]:
        yield "`wrong_answer` merges with the prompt into other tokens than `answer` does; give another"
    elif other.n_answer != clean.n_answer:
        yield f"`wrong_answer` has {other.n_answer} tokens, `answer` has {clean.n_answer}; give one of as many"
    elif other.tokens == clean.tokens:
        yield "`wrong_answer` has the tokens of `answer`; give another"


def as_prompts(
    name: str,
    clean: Sequence[Split],
    lengths: Int[np.ndarray, "prompt"],
    *,
    corrupted: Sequence[Split] | None = None,
    contrast: Sequence[Split] | None = None,
    role_names: tuple[str, ...] = (),
) -> Prompts:
    """Rows of tokens side by side, right-padded."""
    # Padding repeats the last token: a tokenizer's own token for padding may have no row in the model's embedding.
    tokens, *others = (
        None if splits is None else _filled([row.tokens for row in splits], [row.tokens[-1] for row in splits])
        for splits in (clean, corrupted, contrast)
    )
    assert tokens is not None
    roles = _filled([row.roles for row in clean], [Role.PAD] * len(clean))
    scored = _filled([row.scored for row in clean], [False] * len(clean)).astype(bool)
    return Prompts(name, tokens, others[0], roles, scored, lengths, others[1], role_names)


def _filled(rows: Sequence[Sequence[int]], fillers: Sequence[int]) -> Int[np.ndarray, "prompt pos"]:
    width = max(map(len, rows))
    filled = [[*row, *[filler] * (width - len(row))] for row, filler in zip(rows, fillers, strict=True)]
    return np.array(filled, dtype=np.int64)


def _counted(found: Tokens, in_answer: Sequence[bool], question: Question) -> Iterator[bool]:
    """Of each token whether it stands for a part of the answer that counts."""
    border = len(question.text)
    for start, end, after in zip(found.starts, found.ends, in_answer, strict=True):
        parts = question.scored
        yield after and (parts is None or any(start < border + stop and end > border + first for first, stop in parts))


def _without_spaces(text: str) -> str:
    """Tokenizers without a decoder put spaces between tokens, and others leave some away."""
    return text.replace(" ", "")


def _cut(text: str) -> str:
    return repr(text) if len(text) <= 40 else f"{text[:40]!r}…"
