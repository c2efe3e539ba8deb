"""Colours of heat maps, safe for colour-blind readers: of signed values, and of shares from 0 to 1."""

import numpy as np
from jaxtyping import Float, UInt8

INK, MUTED = "#1f2933", "#52606d"
"""Of text and of what stands back, in all figures."""
UNKNOWN = "#d9dde2"
"""Of a value that is not a number, or of a head that a task may not use."""

# ColorBrewer's RdBu from blue to red, and matplotlib's viridis, both at eleven places.
_SIGNED = "053061 2166ac 4393c3 92c5de d1e5f0 f7f7f7 fddbc7 f4a582 d6604d b2182b 67001f"
_FRACTION = "440154 482475 414487 355f8d 2a788e 21908d 22a884 42be71 7ad151 bddf26 fde725"


def _anchors(colours: str) -> Float[np.ndarray, "anchor rgb"]:
    return np.array([list(bytes.fromhex(colour)) for colour in colours.split()], dtype=float)


def signed_colours(values: Float[np.ndarray, "*shape"], limit: float) -> UInt8[np.ndarray, "*shape rgb"]:
    """Blue at `-limit`, white at 0, red at `limit`; values beyond have the colour of the end."""
    return _between(_anchors(_SIGNED), (values / limit + 1) / 2 if limit else np.full_like(values, 0.5))


def share_colours(values: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape rgb"]:
    """Dark violet at 0, yellow at 1."""
    return _between(_anchors(_FRACTION), values)


def as_hex(colour: UInt8[np.ndarray, "rgb"]) -> str:
    """The colour as `#rrggbb`."""
    return "#" + bytes(colour.tolist()).hex()


def ink_on(colour: UInt8[np.ndarray, "rgb"]) -> str:
    """Black or white, whichever is read better on this colour; at least 4.5 : 1 on every one (WCAG 2.1, 1.4.3)."""
    linear = np.where((share := colour / 255) <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ [0.2126, 0.7152, 0.0722])
    return "#ffffff" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "#000000"


def _between(
    anchors: Float[np.ndarray, "anchor rgb"], places: Float[np.ndarray, "*shape"]
) -> UInt8[np.ndarray, "*shape rgb"]:
    """Linear between the anchors, which stand evenly from 0 to 1; NaN becomes `UNKNOWN`."""
    known = np.isfinite(places)
    at = np.clip(np.where(known, places, 0.0), 0, 1) * (len(anchors) - 1)
    channels = [np.interp(at, np.arange(len(anchors)), anchors[:, channel]) for channel in range(3)]
    found = np.stack(channels, axis=-1).round().astype(np.uint8)
    found[~known] = list(bytes.fromhex(UNKNOWN[1:]))
    return found
