"""Colours of the code tree: hue follows the first code, lightness the level."""

from __future__ import annotations

import numpy as np

from .prefixes import rank_in_run
from .wedges import Wedges

LIGHTNESS, CHROMA = (0.53, 0.67, 0.80), (0.135, 0.125, 0.085)  # by ring
ALTERNATE = 0.014  # lightness difference of neighbours
HUE_SHARE, WIDEST = 0.55, 40.0  # hue range within a first code: share of its step, and degrees
START = 25.0  # degrees, a red
FOLDED = "#bdbdbb"


def colours(layout: Wedges) -> list[str]:
    """``(W,)`` colours ``#rrggbb``: hue by the first code, lightness by the ring (in OKLCH)."""
    top, middle, n_tops = layout.top, layout.middle, int((layout.ring == 0).sum())
    # half by number, half by item share: neighbours differ for many codes and for uneven codes
    step = 180 * (1 / n_tops + layout.items[top] / len(layout.order))
    within = (middle - middle[top]) * len(layout.order) / layout.items[top]
    hue = START + 180 * (top / n_tops + middle[top]) + np.minimum(HUE_SHARE * step, WIDEST) * within
    parity = rank_in_run(layout.parent) % 2 * 2 - 1
    lightness = np.take(LIGHTNESS, layout.ring) + ALTERNATE * parity
    chroma = np.take(CHROMA, layout.ring)
    colour_of = _hex(lightness, chroma, np.deg2rad(hue))
    return [
        FOLDED if node < 0 else colour for node, colour in zip(layout.node, colour_of, strict=True)
    ]


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
    """OKLCH colours as hex; chroma is reduced to the sRGB gamut where necessary."""
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
