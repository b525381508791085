"""The texts that the data themselves have about items, users and events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from p5rec.core.features import Users
from p5rec.core.types import TRAIN, Catalog, Corpus


def item_texts(catalog: Catalog) -> list[str]:
    """The text of each item for a text encoder, ``(N,)``: the title, then ``attribute: values``."""
    return _joined(catalog.titles, *(_clauses(catalog, name) for name in catalog.attributes))


def user_texts(users: Users) -> list[str]:
    """The text of each user for a text encoder, ``(U,)``: ``attribute: values``; "" without any."""
    return _joined([""] * len(users), *(_clauses(users, name) for name in users.attributes))


def training_reviews(corpus: Corpus) -> tuple[np.ndarray, list[str]]:
    """The training events with a review ``(R,)``, and their reviews ``(R,)``."""
    column = corpus.interactions.texts.get("review")
    if column is None:
        return np.zeros(0, dtype=np.int64), []
    rows = np.flatnonzero(corpus.split.of_event == TRAIN)
    reviews = [(text or "").strip() for text in column.take(rows).to_pylist()]
    return rows[[bool(text) for text in reviews]], [text for text in reviews if text]


def _clauses(table: Catalog | Users, attribute: str) -> list[str]:
    return [f"{attribute}: {', '.join(v)}" if v else "" for v in table.values(attribute)]


def _joined(*columns: Sequence[str]) -> list[str]:
    return [". ".join(filter(None, row)) for row in zip(*columns, strict=True)]
