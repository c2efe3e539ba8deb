"""The form in which examples of a task are put to a model that was trained on text."""

from dataclasses import dataclass

PROMPT, TASK = "{prompt}", "{task}"


@dataclass(frozen=True)
class TextForm:
    """How the text around a prompt reads; the default is the prompt itself."""

    template: str = PROMPT
    """It has the prompt at `{prompt}` and the task's name at `{task}`; the answer follows it."""
    shots: int = 0
    """Solved examples in the same form in front of each prompt."""
    chat: bool = False
    """Whether the tokenizer's chat template is laid around it, the prompt as the user's turn."""


DEFAULT_FORM = TextForm()
