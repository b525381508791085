"""Rating baselines: means, and the regularised biases every factor model starts from.

All predict ``mean + user_bias[u] + item_bias[i]`` and differ in how hard each bias is drawn to 0:
not at all, by a count, or wholly. A user or item without training events has bias 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from pydantic import Field

from p5rec.core.artefacts import Lineage
from p5rec.core.config import Config
from p5rec.core.errors import fault
from p5rec.core.types import Histories, Interactions, Split

from ..ranking import check_rows
from .registry import Baseline


class MeanConfig(Config):
    """Nothing to choose."""


class BiasConfig(Config):
    """How far biases are drawn to 0.

    Attributes:
        user_shrink: ratings of the plain mean added to each user.
        item_shrink: the same for each item.
        sweeps: rounds of fitting items, then users.
    """

    user_shrink: float = Field(default=5.0, ge=0)
    item_shrink: float = Field(default=5.0, ge=0)
    sweeps: int = Field(default=10, ge=1)


@dataclass(frozen=True, eq=False)
class Biases:
    """Predicts ``mean + user_bias[u] + item_bias[i]``.

    Attributes:
        name: what reports call it.
        mean: of all training ratings.
        user_bias: ``(U,)`` float64 rating points.
        item_bias: ``(N,)`` float64 rating points.
        lineage: the training events.
    """

    name: str
    mean: float
    user_bias: np.ndarray
    item_bias: np.ndarray
    lineage: Lineage

    def predict(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """See :class:`p5rec.recommend.protocols.RatingPredictor`; of histories the users are read.

        Raises:
            ValueError: user or item rows outside the data.
        """
        check_rows("user", histories.users, len(self.user_bias))
        check_rows("item", items, len(self.item_bias))
        biases = self.user_bias[histories.users] + self.item_bias[items]
        return (self.mean + biases).astype(np.float32)


def fit_global_mean(interactions: Interactions, split: Split, config: MeanConfig) -> Biases:
    """The mean of all training ratings."""
    return _fit("global-mean", interactions, split, user_shrink=np.inf, item_shrink=np.inf)


def fit_user_mean(interactions: Interactions, split: Split, config: MeanConfig) -> Biases:
    """The mean of the user's training ratings."""
    return _fit("user-mean", interactions, split, user_shrink=0, item_shrink=np.inf)


def fit_item_mean(interactions: Interactions, split: Split, config: MeanConfig) -> Biases:
    """The mean of the item's training ratings."""
    return _fit("item-mean", interactions, split, user_shrink=np.inf, item_shrink=0)


def fit_bias(interactions: Interactions, split: Split, config: BiasConfig) -> Biases:
    """Item and user biases together, by alternating ridge regression (Koren 2010, section 2.1)."""
    return _fit("bias", interactions, split, **config.model_dump())


def _fit(
    name: str,
    interactions: Interactions,
    split: Split,
    *,
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
    return Biases(
        name, mean, user_bias, item_bias, Lineage(interactions.event_keys[split.mask("train")])
    )


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


GLOBAL_MEAN = Baseline(fit_global_mean, MeanConfig(), (MeanConfig(),))
USER_MEAN = Baseline(fit_user_mean, MeanConfig(), (MeanConfig(),))
ITEM_MEAN = Baseline(fit_item_mean, MeanConfig(), (MeanConfig(),))
BIAS = Baseline(
    fit_bias,
    BiasConfig(),
    tuple(
        BiasConfig(user_shrink=user_shrink, item_shrink=item_shrink)
        for user_shrink, item_shrink in product((0.3, 1.0, 3.0, 10.0, 30.0), repeat=2)
    ),
)
