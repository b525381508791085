"""Codes as words: level a, code 12 is ``<a_12>``; an item is its levels' words in a row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from string import ascii_lowercase

import numpy as np

from p5rec.core.types import ItemCodes

# any level's word may open a run, so that a damaged item is seen as one; only a first-level word
# opens a new item
_ITEM = re.compile(r"<[a-z]_\d+>(?:<[b-z]_\d+>)*")


def token_strings(sizes: Sequence[int]) -> list[str]:
    """The ``sum(sizes)`` words in the flat order of ``ItemCodes.flat``.

    >>> token_strings([2, 1])
    ['<a_0>', '<a_1>', '<b_0>']
    """
    levels = zip(ascii_lowercase, sizes, strict=False)
    return [f"<{letter}_{code}>" for letter, size in levels for code in range(size)]


def item_strings(codes: ItemCodes) -> list[str]:
    """What each item is called in text, ``(N,)``: ``<a_12><b_7><c_40>``."""
    words = np.array(token_strings(codes.sizes), dtype=object)
    strings: list[str] = words[codes.flat].sum(axis=1).tolist()
    return strings


@lru_cache(maxsize=4)
def _rows(codes: ItemCodes) -> dict[str, int]:
    return {string: row for row, string in enumerate(item_strings(codes))}


def parse_items(text: str, codes: ItemCodes) -> np.ndarray:
    """Rows ``(M,)`` int64 of the items named in ``text``, in order; all else is skipped.

    A run of words that is no item of ``codes`` (cut short, too long, unknown) gives -1.
    """
    rows = _rows(codes)
    return np.array([rows.get(run, -1) for run in _ITEM.findall(text)], dtype=np.int64)
