"""Processes that train one model together, as `torchrun` starts them; each has a part of every batch."""

import os


def n_ranks() -> int:
    """How many there are; 1 where nothing was said."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """This one's number, from 0."""
    return int(os.environ.get("RANK", "0"))


def is_writer() -> bool:
    """Whether this is the one that writes files, tells how far it is, measures and reports."""
    return rank() == 0


def own_rows() -> slice:
    """The rows of a batch that are this one's."""
    return slice(rank(), None, n_ranks())
