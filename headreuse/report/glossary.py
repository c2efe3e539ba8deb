"""What the words of the report mean."""

from collections.abc import Iterable

TERMS = {
    "length": "Characters, digits or nodes of a prompt; a task is trained up to its longest training length.",
    "exact match": "Whether the whole answer, end token included, is right; its mean is the accuracy.",
    "token accuracy": "Fraction of the answer's tokens that are right, given the true tokens before each.",
    "log prob": "Log-probability of the true answer; it has no floor, so it tells heads apart before a task is solved.",
    "logit diff": "Logit of the right token minus that of the best wrong one, mean over the answer's tokens.",
    "generalization gap": "Mean over lengths, up to the longest trained on, of the difference in accuracy between the "
    "auxiliaries and main; 0 is full transfer.",
    "transfer fraction": "1 − gap / gap without any transfer: 1 is full transfer, 0 is none.",
    "effect": "Outcome of the untouched model minus the outcome with one head replaced: positive where the head helps.",
    "mean ablation": "A head's output is replaced by its mean over prompts before it enters the residual stream.",
    "baseline": "The untouched model's outcome on the prompts of the head scores.",
    "usable": "No where a map cannot tell which heads a task uses, for example where its baseline accuracy is below "
    "the floor: two dead maps look alike. The table gives the reason where it has one.",
    "chance": "Mean value of a metric when one map's heads are shuffled within their layers.",
    "noise floor": "What a difference would show between two maps of the same truth, from sampling noise alone.",
    "pooled": "Over all checkpoints of all runs at once; differences between runs and training time mix into it.",
    "within run": "Common slope of the checkpoints around their own run's mean (repeated-measures correlation).",
}
"""By term, in the order of reading."""

METRICS = {
    "ablation_map_difference": "D_abl: mean over heads of the difference in effect between two tasks, in units of the "
    "outcome; less is more alike.",
    "attention_difference": "D_attn: sum over heads and positions of the difference between two tasks' mean attention "
    "patterns; less is more alike.",
    "cosine": "Cosine of the angle between two tasks' effects over all heads; 1 is the same profile.",
    "spearman": "Rank correlation of two tasks' effects over heads.",
    "top_k_jaccard": "Of the heads in either task's top k, the fraction in both.",
}
"""By overlap metric."""


def glossary(metrics: Iterable[str]) -> dict[str, str]:
    """The terms, with the overlap metrics that were measured."""
    return TERMS | {name.replace("_", " "): METRICS[name] for name in metrics if name in METRICS}
