"""What `calibration.py` simulates, one subject a file; `jobs(n)` gives functions of a generator that yield numbers."""
