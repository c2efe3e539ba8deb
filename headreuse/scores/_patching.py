"""What patching between a prompt and its corrupted partner shares."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from headreuse.records import HeadScores, Prompts, Role

Direction = Literal["noising", "denoising"]
"""`noising` runs the clean prompt and patches heads from the corrupted one; `denoising` the other way round."""


@dataclass(frozen=True)
class PatchingScores(HeadScores):
    """Head scores from patching between a clean and a corrupted run, both scored on the clean answer.

    Noising: `effects` are what the clean run loses. Denoising: what the corrupted run gains. Positive where the head
    carries what tells the two apart.
    """

    clean: Mapping[str, Float[np.ndarray, "prompt"]]
    """Outcomes of the untouched clean run."""
    corrupted: Mapping[str, Float[np.ndarray, "prompt"]]
    """Outcomes of the untouched corrupted run."""


def corrupted_inputs(prompts: Prompts) -> Int[np.ndarray, "prompt pos"]:
    """The corrupted partner's tokens up to the answer, then the clean answer: what the corrupted run is given.

    So both runs are asked for the same tokens, and their outcomes can be compared.
    """
    return np.where(prompts.roles == Role.ANSWER, prompts.tokens, prompts.corrupted)
