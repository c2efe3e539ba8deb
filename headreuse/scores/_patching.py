"""What patching between a prompt and its corrupted partner needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from headreuse.records import HeadScores, Prompts, Role

Direction = Literal["noising", "denoising"]
"""`noising` runs the clean prompt and patches heads from the corrupted one; `denoising` does the opposite."""


@dataclass(frozen=True, repr=False)
class PatchingScores(HeadScores):
    """Head scores from patching between a clean and a corrupted run, both scored on the clean answer.

    `effects` are what the clean run loses (noising) or what the corrupted run gains (denoising): positive where the
    head carries information about the difference.
    """

    clean: Mapping[str, Float[np.ndarray, "prompt"]]
    """Outcomes of the untouched clean run."""
    corrupted: Mapping[str, Float[np.ndarray, "prompt"]]
    """Outcomes of the untouched corrupted run."""


def corrupted_inputs(prompts: Prompts) -> Int[np.ndarray, "prompt pos"]:
    """What the corrupted run reads: the corrupted partner up to the answer, then the clean answer.

    So both runs predict the same tokens, and their outcomes can be compared.
    """
    return np.where(prompts.roles == Role.ANSWER, prompts.tokens, prompts.partners)
