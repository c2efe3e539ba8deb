"""Settings that one score has and others have not; they stand in the keys of its results alone."""

from headreuse.measurements.base import Settings
from headreuse.study.config import Study
from headreuse.study.measure_spec import ATTRIBUTION_STEPS
from headreuse.study.streams import Stream
from headreuse.study.subsets import OVER_SUBSETS

SEEDS = 2**32
OWN = "score"
"""Where they stand among the settings of a unit; a score without such settings has no such entry."""


def own_settings(method: str, study: Study) -> Settings:
    """The arguments that a study gives to this score, under `OWN`; nothing for most scores."""
    if method == "attribution_patching":
        return {OWN: {"n_steps": ATTRIBUTION_STEPS}}
    if method in OVER_SUBSETS:
        share = {"q": study.measures.ablated_share} if method == "banzhaf" else {}
        return {OWN: {**share, **subset_settings(study)}}
    return {}


def subset_settings(study: Study) -> Settings:
    """How many subsets of heads are drawn, and their seed: the same for all tasks and checkpoints, which so compare."""
    seed = int(Stream.SUBSETS.generator(study.data_seed).integers(SEEDS))
    asked = study.measures.subsets
    return {"seed": seed} if asked is None else {"seed": seed, "n_subsets": asked}
