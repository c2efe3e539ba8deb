"""Series of checkpoints of any origin: the saved steps of one or several training runs, on a disk or on a Hub.

`base.py` says what an origin is, and is used by all others; `local.py` and `hub.py` are the two that there are.
`names.py` says what a name tells of the place in training, `selection.py` which entries are chosen, `opening.py` is for
Python and `listing.py` for the command line.
"""
