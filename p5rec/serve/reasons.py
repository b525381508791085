"""Reasons for an item: statements about attributes and events that exist, with their items."""

from __future__ import annotations

from typing import Any

import numpy as np

from p5rec.recommend.tools.tool import Rows
from p5rec.tasks.wishes.vocabulary import Vocabulary

MOST = 3  # statements, and items named in one


def reasons(vocabulary: Vocabulary, item: int, history: np.ndarray) -> Rows:
    """Statements that an item shares values with items of a history, the most common first.

    Args:
        vocabulary: of the catalogue.
        item: its row number.
        history: ``(n,)`` row numbers, oldest first.

    Returns:
        Rows ``statement``, ``attribute``, ``value``, ``items`` (ids of the history, latest first).
    """
    found = list[tuple[int, dict[str, Any]]]()
    ids, unique = vocabulary.catalog.ids, np.unique(history)
    latest = dict.fromkeys(history[::-1].tolist())
    for value in vocabulary.values_of(item):
        shared = np.intersect1d(unique, value.rows)
        if not len(shared):
            continue
        named = [ids[row] for row in latest if row in {*shared.tolist()}]
        statement = (
            f"{value.attribute} {value.value}, like {len(shared)} of {len(unique)} items of the "
            "history"
        )
        row = {"statement": statement, "attribute": value.attribute, "value": value.value}
        found.append((len(shared), {**row, "items": named[:MOST]}))
    found.sort(key=lambda pair: (-pair[0], pair[1]["statement"]))
    return [row for _, row in found[:MOST]]
