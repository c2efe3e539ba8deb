"""The text before an answer: solved examples, then the prompt in its form, perhaps as turns of a chat."""

from collections.abc import Sequence
from dataclasses import dataclass

from headreuse.errors import HeadreuseError
from headreuse.prompts.form import PROMPT, TASK, TextForm
from headreuse.prompts.tokenizing import TextTokenizer

BETWEEN = "\n\n"
"""Between solved examples."""

Solved = tuple[str, str]
"""A prompt and its answer."""


@dataclass(frozen=True)
class Rendered:
    """The text before an answer."""

    text: str
    start: int | None
    """Where the prompt itself begins in it; None where a chat template has changed the prompt."""


@dataclass(frozen=True)
class Renderer:
    """Puts prompts of one task into their form."""

    tokenizer: TextTokenizer
    task: str
    form: TextForm

    def __post_init__(self) -> None:
        if self.form.template.count(PROMPT) != 1:
            raise HeadreuseError(f"template {self.form.template!r}: give {PROMPT} once, where the prompt stands")
        if self.form.shots < 0:
            raise HeadreuseError(f"shots = {self.form.shots}; give 0 or more solved examples")

    def render(self, prompt: str, solved: Sequence[Solved]) -> Rendered:
        """The text before the answer to a prompt, with solved examples in front of it."""
        asked = self._filled(prompt)
        if not self.form.chat:
            before = "".join(self._filled(question) + answer + BETWEEN for question, answer in solved)
            return Rendered(before + asked, len(before) + len(self._around[0]))
        turns = [turn for question, answer in solved for turn in (self._filled(question), answer)]
        roles = ("user", "assistant")
        text = self.tokenizer.chat(
            [{"role": roles[index % 2], "content": turn} for index, turn in enumerate([*turns, asked])]
        )
        start = text.rfind(asked)
        return Rendered(text, None if start < 0 else start + len(self._around[0]))

    @property
    def _around(self) -> tuple[str, str]:
        before, _, after = self.form.template.partition(PROMPT)
        return before.replace(TASK, self.task), after.replace(TASK, self.task)

    def _filled(self, prompt: str) -> str:
        before, after = self._around
        return before + prompt + after
