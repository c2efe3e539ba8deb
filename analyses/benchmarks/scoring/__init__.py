"""What `head_scores.py` measures, and against what."""
