"""Does a head look from a symbol back to what comes after the same symbol in the prompt?"""

import numpy as np

from headreuse.models.anatomy import Decoder
from headreuse.records import HeadScores, Prompts
from headreuse.scores._patterns import own_occurrences, pattern_scores
from headreuse.scores._registry import score


@score()
def induction(model: Decoder, prompts: Prompts, *, micro_batch: int = 32) -> HeadScores:
    """Mean attention to what follows the symbol's own occurrence, from positions that predict a symbol of the source.

    Σ_t Σ_{i : x_i = y_t} A[t, i + 1] / T, where A is the head's pattern, y_t the token at one of the T positions that
    count and i runs over the source (see `own_occurrences`). A head that looks so can retrieve right neighbours and
    copy forwards. After the last symbol of the source comes the separator; looking there counts too. From
    Jobanputra et al. 2025 (arXiv 2505.21785), where each target token of a copy attends to the next source token.
    Where a symbol stands several times in the source, attention after all its places counts; `baseline` says what
    looking everywhere alike would give.
    """
    after = np.zeros_like(occurrences := own_occurrences(prompts))
    after[..., 1:] = occurrences[..., :-1]
    return pattern_scores(model, prompts, "induction", after, micro_batch)
