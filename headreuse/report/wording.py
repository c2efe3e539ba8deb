"""Numbers and lists as they are written in a sentence."""

from collections.abc import Sequence


def percent(fraction: float) -> str:
    """A fraction in percent; without decimals unless it is below 1 %."""
    digits = ".0f" if fraction == 0 or fraction >= 0.01 else ".1g"
    return f"{100 * fraction:{digits}}\N{NO-BREAK SPACE}%"


def signed(value: float) -> str:
    """Two decimals, with a typographic minus sign."""
    return f"{value:.2f}".replace("-", "−")


def listed(parts: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([*([", ".join(parts[:-1])] if len(parts) > 1 else []), *parts[-1:]])
