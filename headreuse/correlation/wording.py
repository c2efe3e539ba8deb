"""Numbers as they stand in a sentence."""


def counted(n: int, thing: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{n} {thing}{'' if n == 1 else 's'}"
