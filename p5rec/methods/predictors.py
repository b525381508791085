"""Fitted methods: what is loaded from a folder, by what it can do. B requests."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.types import Histories
from p5rec.recommend.protocols import Recommender


class Predictor(Protocol):
    """A fitted method. It has the capabilities below that it offers, and no others.

    Attributes:
        lineage: the events it saw; None where it was loaded, for a folder's manifest says it.
    """

    @property
    def lineage(self) -> Lineage | None: ...


class FittedPredictor(Predictor, Protocol):
    """What :meth:`p5rec.methods.base.Method.learn` returns."""

    def save(self, folder: Path) -> None:
        """Write all that :meth:`p5rec.methods.base.Method.load` needs into ``folder``."""
        ...


@runtime_checkable
class Recommends(Predictor, Recommender, Protocol):
    """Ranks the catalogue."""


@runtime_checkable
class PredictsRatings(Predictor, Protocol):
    """Predicts what a user would rate an item."""

    def predict_rating(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """``(B,)`` float32 in rating points, not clipped: of ``items (B,)`` by each request."""
        ...


@runtime_checkable
class PredictsClicks(Predictor, Protocol):
    """Predicts whether a user takes an item."""

    def predict_click(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """``(B,)`` float32, the probability of a click on each of ``items (B,)`` by a request."""
        ...


@runtime_checkable
class EmbedsItems(Predictor, Protocol):
    """Has a vector for each item."""

    def item_vectors(self) -> np.ndarray:
        """``(N, d)`` float32; a row of NaN is an item without a training event."""
        ...


@runtime_checkable
class ScoresItems(Predictor, Protocol):
    """Has a logarithm for each item, which can be added to those of others."""

    def item_logs(self, histories: Histories) -> np.ndarray:
        """``(B, N)`` float32; NaN where nothing is known of an item.

        A request's values do not depend on those beside it.
        """
        ...


@runtime_checkable
class ScoresOtherItems(ScoresItems, Protocol):
    """Can do so over other items, with what it has learned of its own."""

    def over(self, row_of: np.ndarray) -> Self:
        """The same over other items.

        Args:
            row_of: ``(M,)`` the row of each of M items, -1 for those of which nothing is known.
        """
        ...
