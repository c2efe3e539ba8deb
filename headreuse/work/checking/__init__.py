"""What can be known of a study before it is run: `check_of` lists, loads and times; nothing is trained or kept."""

from headreuse.work.checking.facts import Facts, PromptsFacts, RunFacts
from headreuse.work.checking.gathering import check_of

__all__ = ["Facts", "PromptsFacts", "RunFacts", "check_of"]
