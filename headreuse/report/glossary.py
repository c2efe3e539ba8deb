"""What the words of the report mean."""

from collections.abc import Iterable

from headreuse.correlation import STATISTIC_SUMMARIES
from headreuse.overlap import OVERLAP_METRICS

TERMS = {
    "length": "Characters, digits or nodes of a prompt; a task is trained up to its longest training length.",
    "transfer range": "Lengths beyond main's training lengths, up to the longest that any task of the group is trained "
    "on, or further where the study says so.",
    "exact match": "Whether the whole answer, end token included, is right; its mean is the accuracy.",
    "token accuracy": "Fraction of the answer's tokens that are right, given the true tokens before each.",
    "log prob": "Log-probability of the true answer; it has no floor, so it tells heads apart before a task is solved.",
    "logit diff": "Logit of the right token minus that of the best wrong one, mean over the answer's tokens.",
    "generalization gap": "Mean over lengths, up to the longest trained on, of the difference in accuracy between the "
    "auxiliaries and main; 0 is full transfer.",
    "transfer fraction": "1 − gap / gap without any transfer: 1 is full transfer, 0 is none.",
    "effect": "Outcome of the untouched model minus the outcome with one head replaced: positive where the head helps.",
    "mean ablation": "A head's output is replaced by its mean over prompts before it enters the residual stream.",
    "banzhaf": "Mean effect of ablating a head over ablations of each other head with probability ½, or the share that "
    "the study sets: heads that stand in for each other, of which neither is missed alone, have their due.",
    "shapley": "The same over all orders in which heads can be ablated one by one; all heads' effects add up to the "
    "outcome of the untouched model minus that without any head.",
    "synergy": "What ablating two heads costs beyond what each costs, mean over ablations of the others: positive "
    "where one stands in for the other, negative where one works on what the other gives.",
    "completeness error": "Of attribution patching: how far the estimates of a layer's heads are from adding up to "
    "what patching all of them at once does, as a share of that; 0 is exact.",
    "baseline": "The untouched model's outcome on the prompts of the head scores.",
    "usable": "No where a map cannot show which heads a task uses, for example where its baseline accuracy is below "
    "the floor: the maps of two tasks that both fail look alike. The column `reason` says why.",
    "chance": "Mean value of a metric when one map's heads are shuffled within their layers.",
    "p chance": "How often such shuffles give at least as much likeness: whether two maps rest on the same heads. It "
    "says nothing about transfer. None is given where heads are so few that it could not be below 5 % (`least p`).",
    "noise floor": "A difference between two maps of the same true effects, from sampling noise alone.",
    "seed": "One of the models of a group, which differ in their random start alone; also called a run.",
    "checkpoint": "A saved state of a model in training.",
    "primary": "The one question of a study that its study file fixes before anything is run; all else is exploratory.",
    "same step": "Seeds are compared at the same number of training steps. One that learns sooner is then further on.",
    "same progress": "Seeds are compared where main's accuracy has come as far: log steps are shifted, and stretched "
    "where that fits better, so that all seeds cross the same accuracies together.",
    "verdict": "Beyond progress: at the same step, at the same progress and given both tasks' accuracies, seeds that "
    "share more transfer otherwise, with the same sign and p ≤ 5 %. Progress: at the same step alone. Otherwise not "
    "found, or not testable.",
    "direction": "Reuse where more sharing goes with more transfer; opposite where it goes with less.",
    "seed permutation": "Where p comes from: how often the overlap of one seed fits the transfer of another seed as "
    "well as its own. It assumes that seeds are exchangeable, and that nothing of a seed's own moves both.",
    "q": "p, corrected for all exploratory tests of the report at once: among those with q ≤ 5 %, about 5 % are found "
    "by chance. Parts of a verdict, and what only describes, have none.",
    "negative control": "An accuracy or the training loss in the place of overlap: it holds no head, so what is found "
    "with it comes from learning.",
}
"""In the order in which a reader meets them."""


def glossary(metrics: Iterable[str], statistics: Iterable[str]) -> dict[str, str]:
    """The terms, then the overlap metrics and correlations that are in the tables."""
    known = {name: metric.summary for name, metric in OVERLAP_METRICS.items()} | STATISTIC_SUMMARIES
    return TERMS | {
        name.replace("_", " "): known[name].replace("`", "") for name in [*metrics, *statistics] if name in known
    }
