"""Scores of how much each head matters: one file each, in which the function has the file's name.

`from headreuse.scores import mean_ablation` gives the function; `SCORES["mean_ablation"]` gives it by name.
"""

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules

from headreuse.records import HeadScores
from headreuse.registry import Registry

SCORES: Registry[Callable[..., HeadScores]] = Registry("score")
"""Every score by name: `(model, prompts, **settings) -> HeadScores`."""

for _module in iter_modules(__path__):
    if not _module.name.startswith("_"):
        SCORES.add(_module.name, getattr(import_module(f"{__name__}.{_module.name}"), _module.name))

globals().update(SCORES)
