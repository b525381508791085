"""Colours with enough contrast for text."""

from __future__ import annotations

import re

import numpy as np
from code_trees import sampled

from p5rec.ids.tones import colours
from p5rec.ids.wedges import wedges


def test_text_is_readable_on_every_colour() -> None:
    layout = wedges(sampled(), cap=4_000)
    hexes = colours(layout)
    assert len(hexes) == len(layout)
    for ring, colour in zip(layout.ring, hexes, strict=True):
        assert re.fullmatch("#[0-9a-f]{6}", colour)
        white, black = (_contrast(colour, ink) for ink in ("#ffffff", "#141414"))
        assert (white if ring == 0 else black) > 4.5
    first = [c for c, ring in zip(hexes, layout.ring, strict=True) if ring == 0]
    assert len(set(first)) == len(first)


def _contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2."""
    light = []
    for colour in (one, other):
        x = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(x > 0.04045, ((x + 0.055) / 1.055) ** 2.4, x / 12.92)
        light.append(linear @ [0.2126, 0.7152, 0.0722] + 0.05)
    return max(light) / min(light)
