"""Code trees with a planted structure, and their items."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from p5rec.core.item_codes import ItemCodes
from p5rec.core.types import Catalog

HOSTILE = "</script><img src=x onerror=\"alert('&')\"><!--<script>\u2028\u2029"
SMALL = [[[0]], [[3], [1], [0]], [[2, 5]], [[0, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]]]


def catalog_of(titles: list[str | None], **attributes: list) -> Catalog:
    """Items ``i0``, ``i1``, ..."""
    ids = [f"i{row}" for row in range(len(titles))]
    return Catalog(pa.table({"item": ids, "title": pa.array(titles, pa.string()), **attributes}))


def codes_of(rows: list) -> ItemCodes:
    """Codebooks as small as the rows allow."""
    array = np.array(rows, dtype=np.int32)
    return ItemCodes(array, tuple(int(size) for size in array.max(axis=0) + 1), "planted")


def planted() -> tuple[ItemCodes, Catalog]:
    """Two topics of two words, ten items each; every title has "the", "new" and a unique word."""
    words = np.repeat(["apple", "pear", "hammer", "saw"], 10)
    rows = [(word // 20, word // 10 % 2, word % 10) for word in range(40)]
    titles = [f"The new {word.title()} x{row:02d}" for row, word in enumerate(words)]
    kinds = [["Fresh fruit"]] * 20 + [["Garden Tools"]] * 20
    return codes_of(rows), catalog_of(titles, kind=kinds, price=[1.5] * 40)


def sampled(sizes: tuple[int, ...] = (6, 7, 40)) -> ItemCodes:
    """500 items. Small codes are more frequent than large ones."""
    rng = np.random.default_rng(0)
    every = np.unique((rng.random((2000, len(sizes))) ** 2 * sizes).astype(np.int32), axis=0)
    rows = rng.permutation(every)[:500]
    assert len(rows) == 500
    return ItemCodes(rows, sizes, "random")
