"""Do two tasks use the same attention heads, and does that predict how well one extrapolates because of the other?"""

__version__ = "0.2.0"
