"""What the columns of the tables mean: those that several tables have are explained here once."""

import ast
import inspect
from textwrap import dedent

Columns = dict[str, str]
"""Explanations by column, in the order of the columns."""

FURTHER = "…"
"""Stands for the columns that a user's file adds."""

_COMMON = {
    "group": "The group's name, as in the study file; of several run folders with the folder's name before it.",
    "seed": "The run: its seed where it was trained here, else its seed or name in the series.",
    "step": "The training step of the checkpoint.",
    "task": "The task's name.",
    "role": "`main`, or `auxiliary`.",
    "length": "The length of the examples: letters, digits or nodes, as the task counts; 0 where all are together.",
    "n": "Number of examples.",
    "outcome": "What was measured of an answer: see `headreuse.evaluation.outcomes`; larger is better.",
    "method": "The score: how a head was taken away, or where it looks; see `headreuse.scores`.",
    "ci_low": "Lower end of the 95 % interval over examples of the same checkpoint; how seeds differ is not in it.",
    "ci_high": "Upper end of the same interval.",
}


def common(*names: str) -> Columns:
    """The explanations of columns that several tables have."""
    return {name: _COMMON[name] for name in names}


PLACE = common("group", "seed", "step")
"""The columns that say which checkpoint a row is of."""


def columns_of(record: type, *names: str) -> Columns:
    """The strings under the fields of a dataclass whose fields are columns; of all of them, or of those in `names`."""
    (body,) = ast.parse(dedent(inspect.getsource(record))).body
    assert isinstance(body, ast.ClassDef)
    found = {
        field.target.id: " ".join(inspect.cleandoc(text.value.value).split())
        for field, text in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }
    return {name: found[name] for name in names} if names else found
