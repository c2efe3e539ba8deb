"""Every score by name, with what it can be asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from headreuse.models.anatomy import Decoder
from headreuse.records import HeadScores, Prompts
from headreuse.registry import Registry

ScoreFunction = TypeVar("ScoreFunction", bound=Callable[..., HeadScores])


@dataclass(frozen=True)
class Score:
    """A function that scores every head of a model on some prompts."""

    name: str
    function: Callable[..., HeadScores]
    has_position: bool
    """Whether it has the setting `position`: which positions of other prompts replacements come from."""

    def __call__(self, model: Decoder, prompts: Prompts, **settings: Any) -> HeadScores:
        """The scores under these settings; the function's signature says which there are."""
        return self.function(model, prompts, **settings)

    def fitting(self, model: Decoder, prompts: Prompts, **settings: Any) -> HeadScores:
        """The scores with replacements from the positions that `Prompts.position` says correspond."""
        if self.has_position:
            settings = {"position": prompts.position, **settings}
        return self(model, prompts, **settings)


SCORES: Registry[Score] = Registry("score")
"""Every score by name, in the order of the names."""


def score(*, has_position: bool = False) -> Callable[[ScoreFunction], ScoreFunction]:
    """Register a function under its name, which is also the name of its file; the function itself stays as it is."""

    def register(function: ScoreFunction) -> ScoreFunction:
        SCORES.add(function.__name__, Score(function.__name__, function, has_position))
        return function

    return register
