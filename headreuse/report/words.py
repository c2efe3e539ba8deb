"""The words that depend on what was measured: whether runs are seeds, and what it means to have more transfer."""

import re
from dataclasses import asdict, dataclass

from headreuse.study.config import Study
from headreuse.study.group import Group
from headreuse.study.transfer_rows import OF_ACCURACY

_SEEDS = re.compile(r"\b([Ss])eed(s?)\b(?!-)")
"""The word, but not in a name."""


@dataclass(frozen=True)
class Words:
    """Parts of sentences."""

    run: str
    """What one line over steps is called: a seed where all models were trained here."""
    more: str
    """What a run does that has more transfer."""
    fewer: str
    neither: str
    gain: str
    """What goes with sharing, where it does."""
    loss: str

    def __call__(self, sentence: str) -> str:
        """A sentence with these parts in the places of `{run}`, `{more}` and so on."""
        return sentence.format(**asdict(self))


def words_of(study: Study, transfer: str | None) -> Words:
    """The words for a study and one measure of transfer."""
    run = run_word(study)
    if transfer is None or transfer in OF_ACCURACY:
        right = "of the long inputs right"
        verbs = (f"gets more {right}", f"gets fewer {right}", f"gets neither clearly more nor clearly fewer {right}")
        return Words(run, *verbs, "more long inputs right", "fewer long inputs right")
    what = measured_words(study, transfer)
    neither = f"has neither a clearly larger nor a clearly smaller {what}"
    return Words(run, f"has a larger {what}", f"has a smaller {what}", neither, f"a larger {what}", f"a smaller {what}")


def measured_words(study: Study, transfer: str) -> str:
    """What a measure of a user's own is called: `transfer in mine.csv`."""
    return f"{transfer.replace('_', ' ')} in {study.transfer.file}" if study.transfer else transfer.replace("_", " ")


def run_word(study: Study) -> str:
    """`seed` where all models were trained here, else `run`."""
    return "run" if any(is_given(group) for group in study.groups) else "seed"


def in_runs(study: Study, sentence: str) -> str:
    """A sentence about seeds, told of runs where models were not all trained here."""
    if run_word(study) == "seed":
        return sentence
    return _SEEDS.sub(lambda found: "Run" + found[2] if found[1] == "S" else "run" + found[2], sentence)


def is_given(group: Group) -> bool:
    """Whether somebody else trained the models of a group."""
    return group.source is not None and not group.source.trains
