"""The tasks: one family a file. Importing this package registers them all in `TASKS`."""

from importlib import import_module
from pkgutil import iter_modules

from headreuse.tasks.base import BLANK, TASKS, Examples, Task, task

__all__ = ["BLANK", "TASKS", "Examples", "Task", "task"]

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
