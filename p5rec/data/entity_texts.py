"""The texts that the data themselves have about items, users and events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from p5rec.core.errors import did_you_mean, input_error
from p5rec.core.features import Users
from p5rec.core.rng import derive_rng
from p5rec.core.types import TRAIN, Catalog, Corpus


def item_texts(catalog: Catalog, attributes: Sequence[str] | None = None) -> list[str]:
    """The text of each item for a text encoder, ``(N,)``: the title, then ``attribute: values``; ""
    without any.

    An external id is no text: its number can tell in which order the log was written.

    Args:
        catalog: the items.
        attributes: those that are read; None: all.

    Raises:
        UserError: an attribute does not exist.
    """
    return _joined(catalog.own_titles, *_clauses(catalog, attributes))


def user_texts(users: Users, attributes: Sequence[str] | None = None) -> list[str]:
    """The text of each user for a text encoder, ``(U,)``: ``attribute: values``; "" without any.

    Arguments and errors are those of :func:`item_texts`.
    """
    return _joined([""] * len(users), *_clauses(users, attributes))


def without_words(texts: Sequence[str], keys: np.ndarray, share: float, seed: int) -> list[str]:
    """``texts (n,)`` without a random ``share`` of the words of each, at least one word stays.

    Args:
        keys: ``(n,)`` uint64, of what the texts are about; draws depend on them.
    """
    kept = []
    for text, key in zip(texts, keys.tolist(), strict=True):
        words = text.split()
        draws = derive_rng(seed, "drop words", key).random(len(words))
        stays = draws >= min(share, draws.max(initial=0))
        kept.append(" ".join(word for word, stay in zip(words, stays, strict=True) if stay))
    return kept


def training_reviews(corpus: Corpus) -> tuple[np.ndarray, list[str]]:
    """The training events with a review ``(R,)``, and their reviews ``(R,)``."""
    column = corpus.interactions.texts.get("review")
    if column is None:
        return np.zeros(0, dtype=np.int64), []
    rows = np.flatnonzero(corpus.split.of_event == TRAIN)
    reviews = [(text or "").strip() for text in column.take(rows).to_pylist()]
    return rows[[bool(text) for text in reviews]], [text for text in reviews if text]


def _clauses(table: Catalog | Users, chosen: Sequence[str] | None) -> list[list[str]]:
    """A column of ``attribute: values`` for each attribute."""
    columns = []
    for name in table.attributes if chosen is None else chosen:
        if name not in table.attributes:
            raise input_error(
                "attributes", "an attribute of the data", repr(name),
                did_you_mean(name, table.attributes),
            )  # fmt: skip
        columns.append([f"{name}: {', '.join(v)}" if v else "" for v in table.values(name)])
    return columns


def _joined(*columns: Sequence[str]) -> list[str]:
    return [". ".join(filter(None, row)) for row in zip(*columns, strict=True)]
