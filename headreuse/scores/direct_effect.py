"""What does a head write towards the answer directly, apart from what later blocks make of it?"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from headreuse.evaluation import Slots, outcomes
from headreuse.interventions.ablate import baseline_outcomes
from headreuse.interventions.direct_path import direct_path, finished_logits
from headreuse.interventions.subject import prepare
from headreuse.models.anatomy import Decoder
from headreuse.records import OUTCOMES, HeadScores, Prompts
from headreuse.scores._ablation import longest
from headreuse.scores._registry import score

ANSWER_LOGIT = "answer_logit"


@score()
def direct_effect(
    model: Decoder, prompts: Prompts, *, memory_budget: int | None = None, dtype: torch.dtype | None = None
) -> HeadScores:
    """Each head's direct contribution to the logits, through the unembedding with the final norm's scale held.

    `effects["answer_logit"]` is the contribution to the answer's logit, mean over scored tokens, before the soft-cap
    that some models have: direct logit attribution (see `interventions/direct_path.py`). The other outcomes are what
    is lost if the head's contribution is subtracted from all logits. For the settings see `prepare`.
    """
    subject = prepare(model, prompts, memory_budget=memory_budget, dtype=dtype)
    anatomy, n_prompts = subject.anatomy, len(prompts)
    names = (*OUTCOMES, ANSWER_LOGIT)
    baseline = {name: np.empty(n_prompts, np.float32) for name in names}
    effects = {name: np.empty((anatomy.n_layers, anatomy.n_heads, n_prompts), np.float32) for name in names}
    baseline |= baseline_outcomes(subject)
    with torch.inference_mode():
        for rows, run in subject.runs():
            path = direct_path(anatomy, run)
            baseline[ANSWER_LOGIT][rows] = _answer_logit(path.answers, run.slots).cpu()
            effects[ANSWER_LOGIT][..., rows] = _answer_logit(path.parts, run.slots).cpu()
            without = [finished_logits(anatomy, run, path.answers - parts) for parts in path.parts]
            for name, values in outcomes(torch.stack(without), run.slots).items():
                effects[name][..., rows] = baseline[name][rows] - values.cpu().numpy()
    return HeadScores(prompts.task, longest(subject), "direct_effect", baseline, effects)


def _answer_logit(logits: Float[Tensor, "*fold prompt slot d_vocab"], slots: Slots) -> Float[Tensor, "*fold prompt"]:
    target = slots.target.expand(logits.shape[:-1])[..., None]
    answer = logits.gather(-1, target)[..., 0]
    return ((answer * slots.real).sum(-1) / slots.real.sum(-1)).float()
