"""Codes as text: code 12 of level a is ``<a_12>``; an item is the sequence of its level words."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase

import numpy as np

from p5rec.core.item_codes import ItemCodes


def token_strings(sizes: Sequence[int]) -> list[str]:
    """The ``sum(sizes)`` words in the flat order of ``ItemCodes.flat``.

    >>> token_strings([2, 1])
    ['<a_0>', '<a_1>', '<b_0>']
    """
    levels = zip(ascii_lowercase, sizes, strict=False)
    return [f"<{letter}_{code}>" for letter, size in levels for code in range(size)]


def item_strings(codes: ItemCodes) -> list[str]:
    """``(N,)`` semantic ids as text: ``<a_12><b_7><c_40>``."""
    words = np.array(token_strings(codes.sizes), dtype=object)
    strings: list[str] = words[codes.flat].sum(axis=1).tolist()
    return strings
