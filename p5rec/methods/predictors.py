"""The interfaces of fitted methods, one for each capability. B requests, N items."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.types import Histories
from p5rec.recommend.protocols import Recommender


class Predictor(Protocol):
    """A fitted method. It has the methods of its capabilities below, and no others.

    Attributes:
        lineage: the events it was fitted to; None if it was loaded: the folder's manifest has them.
    """

    @property
    def lineage(self) -> Lineage | None: ...


class FittedPredictor(Predictor, Protocol):
    """The predictor that :meth:`p5rec.methods.base.Method.learn` returns."""

    def save(self, folder: Path) -> None:
        """Writes the files that :meth:`p5rec.methods.base.Method.load` reads into ``folder``."""
        ...


@runtime_checkable
class Recommends(Predictor, Recommender, Protocol):
    """Ranks the catalogue."""


@runtime_checkable
class PredictsRatings(Predictor, Protocol):
    """Predicts a user's rating of an item."""

    def predict_rating(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """``(B,)`` float32 in rating points, not clipped: each request's rating of its item."""
        ...


@runtime_checkable
class PredictsClicks(Predictor, Protocol):
    """Predicts a user's click on an item."""

    def predict_click(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """``(B,)`` float32: the probability that each request clicks on its item."""
        ...


@runtime_checkable
class EmbedsItems(Predictor, Protocol):
    """Has an embedding of each item."""

    def item_vectors(self) -> np.ndarray:
        """``(N, d)`` float32; NaN for items without training events."""
        ...


@runtime_checkable
class ScoresItems(Predictor, Protocol):
    """Scores each item on a logarithmic scale, so that scores of several methods can be added."""

    def item_logs(self, histories: Histories) -> np.ndarray:
        """``(B, N)`` float32; NaN for unknown items.

        A request's scores do not depend on the other requests.
        """
        ...


@runtime_checkable
class ScoresOtherItems(ScoresItems, Protocol):
    """Can score the items of another catalogue."""

    def over(self, row_of: np.ndarray) -> Self:
        """The predictor over another catalogue.

        Args:
            row_of: ``(M,)`` the row in this catalogue of each of M items; -1: unknown items.
        """
        ...
