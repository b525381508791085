"""Rating baselines: means, and the regularised biases every factor model starts from.

All predict ``mean + user_bias[u] + item_bias[i]`` and differ in how hard each bias is drawn to 0:
not at all, by a count, or wholly. A user or item without training events has bias 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from p5rec.core.artefacts import Lineage
from p5rec.core.errors import fault
from p5rec.core.types import NOBODY, Histories, Interactions, Split, check_rows

from ..arrays import load_arrays, save_arrays
from ..base import Method


@dataclass(frozen=True, eq=False)
class Biases:
    """Predicts ``mean + user_bias[u] + item_bias[i]``.

    Attributes:
        mean: of all training ratings.
        user_bias: ``(U,)`` float64 rating points.
        item_bias: ``(N,)`` float64 rating points.
        lineage: the training events.
    """

    mean: float
    user_bias: np.ndarray
    item_bias: np.ndarray
    lineage: Lineage | None = None

    def predict_rating(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.PredictsRatings`; of histories the users are read.

        Raises:
            ValueError: user or item rows outside the data.
        """
        check_rows("user", histories.users, len(self.user_bias), NOBODY)
        check_rows("item", items, len(self.item_bias))
        biases = np.append(self.user_bias, 0)[histories.users] + self.item_bias[items]
        return (self.mean + biases).astype(np.float32)

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.Learned`."""
        arrays = {"user_bias": self.user_bias, "item_bias": self.item_bias}
        save_arrays(folder, {"mean": np.array([self.mean]), **arrays})


class BiasMethod(Method):
    """Fits biases; the kinds below differ in how far they are drawn to 0.

    Attributes:
        shrinks: ratings of the plain mean added to each user and to each item.
    """

    capabilities = ("predict_rating",)
    shrinks: ClassVar[tuple[float, float]]

    def learn(self, interactions: Interactions, split: Split) -> Biases:
        """Biases of users and items, in one sweep."""
        return _fit(self.kind, interactions, split, *self.shrinks)

    def load(self, folder: Path) -> Biases:
        """See :class:`p5rec.methods.base.Method`."""
        arrays = load_arrays(folder)
        return Biases(float(arrays.pop("mean")[0]), **arrays)


class GlobalMean(BiasMethod):
    """The mean of all training ratings."""

    kind: Literal["global-mean"] = "global-mean"
    shrinks = (np.inf, np.inf)


class UserMean(BiasMethod):
    """The mean of the user's training ratings."""

    kind: Literal["user-mean"] = "user-mean"
    shrinks = (0, np.inf)


class ItemMean(BiasMethod):
    """The mean of the item's training ratings."""

    kind: Literal["item-mean"] = "item-mean"
    shrinks = (np.inf, 0)


class Bias(BiasMethod):
    """Item and user biases together, by alternating ridge regression (Koren 2010, section 2.1)."""

    kind: Literal["bias"] = "bias"
    user_shrink: float = Field(default=5.0, ge=0)
    """Pseudo-ratings at the mean added to each user."""
    item_shrink: float = Field(default=5.0, ge=0)
    """Pseudo-ratings at the mean added to each item."""
    sweeps: int = Field(default=10, ge=1)
    """Rounds of fitting: items, then users."""

    grid = dict.fromkeys(("user_shrink", "item_shrink"), (0.3, 1.0, 3.0, 10.0, 30.0))

    def learn(self, interactions: Interactions, split: Split) -> Biases:
        """Both kinds of bias, until ``sweeps`` are done."""
        shrinks = self.user_shrink, self.item_shrink
        return _fit(self.kind, interactions, split, *shrinks, self.sweeps)


def _fit(
    name: str,
    interactions: Interactions,
    split: Split,
    user_shrink: float,
    item_shrink: float,
    sweeps: int = 1,
) -> Biases:
    users, items, ratings = training_ratings(name, interactions, split)
    mean = float(ratings.mean())
    user_bias = np.zeros(interactions.n_users)
    item_bias = np.zeros(interactions.n_items)
    for _ in range(sweeps):
        item_bias = _shrunk_mean(ratings - mean - user_bias[users], items, item_bias, item_shrink)
        user_bias = _shrunk_mean(ratings - mean - item_bias[items], users, user_bias, user_shrink)
    return Biases(mean, user_bias, item_bias, Lineage(interactions.event_keys[split.mask("train")]))


def training_ratings(
    name: str, interactions: Interactions, split: Split
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Users, items and ratings ``(E,)`` of the training events that have a rating.

    Raises:
        UserError: there is none.
    """
    if interactions.ratings is None or not len(
        rows := np.flatnonzero(split.mask("train") & np.isfinite(interactions.ratings))
    ):
        raise fault(name, "training events with ratings", "none", "map a rating column of the data")
    ratings = interactions.ratings[rows].astype(np.float64)
    return interactions.users[rows], interactions.items[rows], ratings


def _shrunk_mean(rest: np.ndarray, rows: np.ndarray, like: np.ndarray, shrink: float) -> np.ndarray:
    """Sum of ``rest`` by row over the row's count plus ``shrink``; 0 where that is 0."""
    sums = np.bincount(rows, weights=rest, minlength=len(like))
    below = np.bincount(rows, minlength=len(like)) + shrink
    return np.divide(sums, below, out=np.zeros(len(like)), where=below > 0)
