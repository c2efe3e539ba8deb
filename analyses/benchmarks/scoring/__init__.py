"""What `head_scores.py` measures, and what it compares with."""
