"""A tokenizer of text as this package asks it: tokens of a text with the characters they stand for, and no more.

Takes a tokenizer of Transformers, with or without a fast backend, or a `tokenizers.Tokenizer`; none is changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from headreuse.errors import HeadreuseError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Message = dict[str, str]
"""One turn of a chat: `role` and `content`."""

DATE = {"%d": "01", "%m": "01", "%b": "Jan", "%B": "January", "%Y": "2025", "%y": "25", "%A": "Wednesday", "%a": "Wed"}
"""What a chat template that writes a date is told: prompts are the same on every day."""
_SAME_DAY = (
    "{% macro strftime_now(form) %}{{ form"
    + "".join(f".replace({c!r}, {v!r})" for c, v in DATE.items())
    + "}}{% endmacro %}"
)


@dataclass(frozen=True)
class Tokens:
    """The tokens of a text, special ones that the tokenizer adds left out."""

    ids: tuple[int, ...]
    starts: tuple[int, ...]
    """The first character that each token stands for, a space in front of a word included."""
    ends: tuple[int, ...]
    """The character after its last; several tokens of one character all have that character."""


class TextTokenizer:
    """What prompts need of a tokenizer."""

    def __init__(self, tokenizer: Any) -> None:
        from tokenizers import Tokenizer

        self.given = tokenizer
        self._is_plain = isinstance(tokenizer, Tokenizer)
        if not (self._is_plain or (callable(tokenizer) and hasattr(tokenizer, "decode"))):
            raise HeadreuseError(
                f"{type(tokenizer).__name__} is no tokenizer; give one of Transformers, a tokenizers.Tokenizer, or the "
                "`.tokenizer` of a bridge"
            )

    def encode(self, text: str) -> Tokens:
        """The tokens of a text, the special ones in it included."""
        if self._splitter is None:
            return self._found_by_decoding(text)
        found = self._splitter.encode(text, add_special_tokens=False)
        starts, ends = zip(*found.offsets, strict=True) if found.ids else ((), ())
        return Tokens(tuple(found.ids), starts, ends)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of tokens, special ones included."""
        if self._is_plain:
            return str(self.given.decode(list(ids), skip_special_tokens=False))
        return str(self.given.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    @cached_property
    def frame(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The special tokens that the tokenizer puts before and after every text."""
        sample = "a"
        backend = self._copy()
        framed = tuple(backend.encode(sample).ids if backend else self.given(sample)["input_ids"])
        within = self.encode(sample).ids
        for start in range(len(framed) - len(within) + 1):
            if framed[start : start + len(within)] == within:
                return framed[:start], framed[start + len(within) :]
        raise HeadreuseError(f"{type(self.given).__name__} splits a text in another way when it adds special tokens")

    @cached_property
    def unknown(self) -> frozenset[int]:
        """What stands for text that the tokenizer has no token for."""
        model = self._splitter.model if self._splitter else None
        name = getattr(model, "unk_token", None)
        ids = {None if self._is_plain else self._id_of("unk")}
        ids |= {self._splitter.token_to_id(name) if self._splitter and name else None}
        return frozenset(token for token in ids if token is not None)

    @property
    def first(self) -> int | None:
        """The token at the beginning of a text, where the tokenizer says which it is."""
        return None if self._is_plain else self._id_of("bos")

    @property
    def end(self) -> tuple[int, ...]:
        """What stands after a whole text: what the tokenizer puts there, else its token for the end; else nothing."""
        last = None if self._is_plain else self._id_of("eos")
        return self.frame[1] or (() if last is None else (last,))

    def chat(self, messages: Sequence[Message]) -> str:
        """The text of a chat up to where the next answer begins, by the tokenizer's own template."""
        if not getattr(self.given, "chat_template", None):
            raise HeadreuseError(f"{type(self.given).__name__} has no chat template; leave `chat` away")
        template = str(self.given.get_chat_template())
        template = _SAME_DAY + template if "strftime_now" in template else template
        try:
            text = self.given.apply_chat_template(
                list(messages), chat_template=template, tokenize=False, add_generation_prompt=True
            )
        except Exception as error:
            # A template is a program of the model's: it may refuse these turns in any way it likes.
            raise HeadreuseError(f"the tokenizer's chat template does not take these turns: {error}") from None
        return str(text)

    def _id_of(self, name: str) -> int | None:
        found = getattr(self.given, f"{name}_token_id", None)
        return found if isinstance(found, int) else None

    @cached_property
    def _splitter(self) -> "Tokenizer | None":
        """A copy whose offsets are whole; None where there is no fast backend.

        What comes after the splitting (adding special tokens) also trims spaces off the offsets of words.
        """
        copied = self._copy()
        if copied is not None:
            copied.post_processor = None
        return copied

    def _copy(self) -> "Tokenizer | None":
        """A copy of the backend that neither cuts nor pads; None where there is none."""
        from tokenizers import Tokenizer

        backend = self.given if self._is_plain else getattr(self.given, "backend_tokenizer", None)
        if not isinstance(backend, Tokenizer):
            return None
        copied = Tokenizer.from_str(backend.to_str())
        copied.encode_special_tokens = backend.encode_special_tokens
        copied.no_truncation()
        copied.no_padding()
        return copied

    def _found_by_decoding(self, text: str) -> Tokens:
        """Where a tokenizer tells no offsets: how much of the text its first, first two, … tokens give back."""
        ids = tuple(self.given(text, add_special_tokens=False)["input_ids"])
        if self.decode(ids) != text:
            raise HeadreuseError(
                f"{type(self.given).__name__} neither tells which characters a token stands for nor gives the text "
                "back as it was; use a fast tokenizer"
            )
        reached = [_n_alike(self.decode(ids[:n]), text) for n in range(len(ids) + 1)]
        starts = tuple(reached[:-1])
        ends = tuple(max(start + 1, end) for start, end in zip(starts, reached[1:], strict=True))
        return Tokens(ids, starts, ends)


def _n_alike(a: str, b: str) -> int:
    """Characters with which two texts begin alike."""
    n = min(len(a), len(b))
    return next((index for index in range(n) if a[index] != b[index]), n)
