"""Does a head look from a symbol back to where the same symbol stands in the prompt?"""

from headreuse.models.anatomy import Decoder
from headreuse.records import HeadScores, Prompts
from headreuse.scores._patterns import own_occurrences, pattern_scores
from headreuse.scores._registry import score


@score()
def anti_induction(model: Decoder, prompts: Prompts, *, micro_batch: int = 32) -> HeadScores:
    """Mean attention to the symbol's own occurrence in the source, from positions that predict a symbol of the source.

    Σ_t Σ_{i : x_i = y_t} A[t, i] / T, where A is the head's pattern, y_t the token at one of the T positions that count
    and i runs over the source (see `own_occurrences`). `induction` looks one position further right, so that the two
    are told apart by that alone. A head that looks so can retrieve left neighbours and copy backwards: an earlier
    head has written the left neighbour there. From Jobanputra et al. 2025 (arXiv 2505.21785), where each
    target token of a copy attends to the same source token. Where a symbol stands several times in the source,
    attention to all its places counts; `baseline` says what looking everywhere alike would give.
    """
    return pattern_scores(model, prompts, "anti_induction", own_occurrences(prompts), micro_batch)
