"""Colours of the code tree: hue goes round with the first code, lightness out with the level."""

from __future__ import annotations

import numpy as np

from .prefixes import rank_in_run
from .wedges import Wedges

LIGHTNESS, CHROMA = (0.53, 0.67, 0.80), (0.135, 0.125, 0.085)  # by ring
ALTERNATE = 0.014  # lightness by which neighbours differ
SPREAD, WIDEST = 0.55, 40.0  # of the hues between first codes, and in degrees
START = 25.0  # degrees, a red
FOLDED = "#bdbdbb"


def colours(laid: Wedges) -> list[str]:
    """``(W,)`` colours ``#rrggbb``: hue by the first code, lightness by the ring (in OKLCH)."""
    top, middle, n_tops = laid.top, laid.middle, int((laid.ring == 0).sum())
    # half by their number, half by their share: neighbours differ, be they many or of all sizes
    step = 180 * (1 / n_tops + laid.items[top] / len(laid.order))
    within = (middle - middle[top]) * len(laid.order) / laid.items[top]
    hue = START + 180 * (top / n_tops + middle[top]) + np.minimum(SPREAD * step, WIDEST) * within
    parity = rank_in_run(laid.parent) % 2 * 2 - 1
    lightness = np.take(LIGHTNESS, laid.ring) + ALTERNATE * parity
    chroma = np.take(CHROMA, laid.ring)
    found = _hex(lightness, chroma, np.deg2rad(hue))
    return [FOLDED if node < 0 else colour for node, colour in zip(laid.node, found, strict=True)]


# Ottosson 2020, "A perceptual color space for image processing": from OKLab to linear sRGB
_TO_CONES = np.array(
    [
        [1, 0.3963377774, 0.2158037573],
        [1, -0.1055613458, -0.0638541728],
        [1, -0.0894841775, -1.2914855480],
    ]
)
_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def _hex(lightness: np.ndarray, chroma: np.ndarray, hue: np.ndarray) -> list[str]:
    """Colours of OKLCH; where a screen has none so vivid, the most vivid that it has."""
    linear = np.zeros((len(hue), 3))
    missing = np.ones(len(hue), dtype=bool)
    for vivid in np.linspace(1, 0, 21):
        a, b = vivid * chroma * np.cos(hue), vivid * chroma * np.sin(hue)
        tried = (np.stack([lightness, a, b], axis=1) @ _TO_CONES.T) ** 3 @ _TO_RGB.T
        linear[missing] = tried[missing]
        missing &= ((tried < 0) | (tried > 1)).any(axis=1)
    linear = linear.clip(0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in (255 * curved).round().astype(int).tolist()]
