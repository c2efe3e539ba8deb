"""The tasks: one family a file. Importing this package registers them all in `TASKS`."""

from importlib import import_module
from pkgutil import iter_modules

from headreuse.tasks._rows import cut, side_by_side
from headreuse.tasks.base import BLANK, TASKS, Examples, Task, task
from headreuse.tasks.held_out import evaluation_examples, is_held_out, training_examples

__all__ = [
    "BLANK",
    "TASKS",
    "Examples",
    "Task",
    "cut",
    "evaluation_examples",
    "is_held_out",
    "side_by_side",
    "task",
    "training_examples",
]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
