"""Settings that one score has and others have not; they stand in the keys of its results alone."""

from headreuse.measurements.base import Settings
from headreuse.study.config import Study
from headreuse.study.specs import ATTRIBUTION_STEPS

OWN = "score"
"""Where they stand among the settings of a unit; a score without such settings has no such entry."""


def own_settings(method: str, study: Study) -> Settings:
    """The arguments that a study gives to this score, under `OWN`; nothing for most scores."""
    if method == "attribution_patching":
        return {OWN: {"n_steps": ATTRIBUTION_STEPS}}
    return {}
