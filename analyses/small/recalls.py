"""MQAR with other numbers of queries, for `copy_recall_queries.toml`."""

from headreuse.tasks import task
from headreuse.tasks.recall import Recall


@task("recall_one")
class RecallOne(Recall):
    """The letter after the only query: `aBcDcAeB|D=` → `c`."""

    letters_per_query = 1000


@task("recall_half")
class RecallHalf(Recall):
    """The letter after each query, of which there is one for two letters: `aBcD|B|a=` → `cB`."""

    letters_per_query = 2
