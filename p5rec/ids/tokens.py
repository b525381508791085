"""Codes as text: code 12 of level a is ``<a_12>``; an item is the sequence of its level words."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice, product
from string import ascii_lowercase

import numpy as np

from p5rec.core.item_codes import ItemCodes


def token_strings(sizes: Sequence[int]) -> list[str]:
    """The ``sum(sizes)`` words in the flat order of ``ItemCodes.flat``.

    >>> token_strings([2, 1])
    ['<a_0>', '<a_1>', '<b_0>']
    """
    levels = zip(level_names(len(sizes)), sizes, strict=True)
    return [f"<{name}_{code}>" for name, size in levels for code in range(size)]


def level_names(count: int) -> list[str]:
    """The names of the first ``count`` levels: a to z, then aa, ab, ... to zz.

    >>> level_names(28)[24:]
    ['y', 'z', 'aa', 'ab']
    """
    pairs = map("".join, product(ascii_lowercase, repeat=2))
    return list(islice(chain(ascii_lowercase, pairs), count))


def item_strings(codes: ItemCodes) -> list[str]:
    """``(N,)`` semantic ids as text: ``<a_12><b_7><c_40>``."""
    words = np.array(token_strings(codes.sizes), dtype=object)
    strings: list[str] = words[codes.flat].sum(axis=1).tolist()
    return strings
