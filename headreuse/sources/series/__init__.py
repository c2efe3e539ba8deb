"""Series of checkpoints of any origin: the saved steps of one or several training runs, on a disk or on a Hub.

`base.py` says what an origin is, and is used by all others.
"""
