"""Numbers and lists as they stand in a sentence."""

from collections.abc import Sequence


def percent(fraction: float) -> str:
    """A fraction in percent, whole unless it is below one."""
    digits = ".0f" if fraction == 0 or fraction >= 0.01 else ".1g"
    return f"{100 * fraction:{digits}}\N{NO-BREAK SPACE}%"


def signed(value: float) -> str:
    """Two digits, with a true minus sign."""
    return f"{value:.2f}".replace("-", "−")


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([*([", ".join(parts[:-1])] if len(parts) > 1 else []), *parts[-1:]])


def counted(n: int, thing: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{n} {thing}{'' if n == 1 else 's'}"
