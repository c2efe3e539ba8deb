"""The table of checkpoints: where each lies, what it is kept under, and how much it has seen."""

import pandas as pd

from headreuse.tables.base import study_table
from headreuse.tables.columns import PLACE
from headreuse.tables.results import Results

MEANINGS = PLACE | {
    "tokens": "Tokens seen in training, where the checkpoint's name says so.",
    "place": "Where it lies: a path, from the run folder where it is inside, or `owner/name@revision`.",
    "fingerprint": "What its measurements are kept under: a SHA-256 of the model and its tokenizer, or a commit.",
}
"""Of the columns."""


@study_table("checkpoints", version=1, columns=MEANINGS)
def checkpoints(results: Results) -> pd.DataFrame:
    """One row for each checkpoint that is there: group, seed, step, tokens, place, fingerprint.

    `tokens` are those seen in training, where the checkpoint's name says so; `place` is a path, from the run folder
    where it lies inside, or `owner/name@revision`; `fingerprint` is what its measurements are kept under.
    """
    root = results.folder.root
    rows = [
        (entry.run.group.name, entry.run.label, at.step, at.tokens, _place(str(at.path), str(root)), at.fingerprint)
        for entry in results.progress
        for at in (found.checkpoint for found in entry.checkpoints)
    ]
    table = pd.DataFrame(rows, columns=["group", "seed", "step", "tokens", "place", "fingerprint"])
    return table.astype({"tokens": "Int64"})


def _place(path: str, root: str) -> str:
    return path.removeprefix(f"{root}/")
