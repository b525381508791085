"""EASE: a linear autoencoder with zero diagonal, in closed form (Steck 2019, arXiv:1905.03375)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from pydantic import Field
from scipy.linalg import inv

from p5rec.core.artefacts import Lineage
from p5rec.core.config import Config
from p5rec.core.errors import fault
from p5rec.core.rng import tie_order
from p5rec.core.types import Histories, Interactions, RankedLists, Split
from p5rec.data.matrices import HALF_LIVES, history_matrix, training_matrix

from ..ranking import rank_all
from .registry import Baseline


class EaseConfig(Config):
    """How the weights are fitted and the history is read.

    Attributes:
        l2: the ridge penalty, lambda in the paper, in users.
        half_life: events after which an item of the history counts half; None: all count alike,
            as in the paper.
        max_items: the largest catalogue to try; time grows with its cube, memory with its square.
    """

    l2: float = Field(default=500.0, gt=0)
    half_life: float | None = Field(default=None, gt=0)
    max_items: int = Field(default=20_000, ge=1)


@dataclass(frozen=True, eq=False)
class Ease:
    """Scores items by a linear map of the history.

    Attributes:
        weights: ``(N, N)`` float32, B in the paper: row i is what item i says of the others.
        config: how it was fitted.
        tie: ``(N,)`` tie order.
        lineage: the training events.
    """

    weights: np.ndarray
    config: EaseConfig
    tie: np.ndarray
    lineage: Lineage

    @property
    def name(self) -> str:
        """``ease``, or ``ease-recency`` where the end of the history counts more."""
        return "ease" if self.config.half_life is None else "ease-recency"

    def recommend(self, histories: Histories, k: int, *, exclude_seen: bool = True) -> RankedLists:
        """See :class:`p5rec.recommend.protocols.Recommender`."""
        return rank_all(self._score, histories, k, self.tie, exclude_seen=exclude_seen)

    def _score(self, histories: Histories) -> np.ndarray:
        # sparse times dense adds row by row: a request's scores do not depend on its neighbours
        return history_matrix(histories, len(self.tie), self.config.half_life) @ self.weights


def fit(interactions: Interactions, split: Split, config: EaseConfig) -> Ease:
    """Solve for the weights (the paper's equation 8).

    Raises:
        UserError: more items than ``config.max_items``.
    """
    n_items = interactions.n_items
    if n_items > config.max_items:
        raise fault(
            "ease",
            f"at most {config.max_items} items",
            f"{n_items}, whose matrices take {2 * 4 * n_items**2 / 1e9:.0f} GB",
            "leave the method out, raise the k-core of the data, or raise max_items",
        )
    users_items = training_matrix(interactions, split)
    gram = (users_items.T @ users_items).toarray()
    gram[np.diag_indices(n_items)] += config.l2
    precision = inv(gram, assume_a="pos", overwrite_a=True, check_finite=False)
    # LAPACK's order is that of columns, of which a sparse product would make a copy each time
    weights = np.divide(precision, -np.diag(precision), order="C")
    np.fill_diagonal(weights, 0)
    tie = tie_order(interactions.item_keys, split.seed)
    return Ease(weights, config, tie, Lineage(interactions.event_keys[split.mask("train")]))


def _grid(half_lives: tuple[float | None, ...]) -> tuple[EaseConfig, ...]:
    return tuple(
        EaseConfig(l2=l2, half_life=half_life)
        for l2, half_life in product((100.0, 250.0, 500.0, 1000.0), half_lives)
    )


EASE = Baseline(fit, EaseConfig(), _grid((None,)))
EASE_RECENCY = Baseline(fit, EaseConfig(half_life=4.0), _grid(HALF_LIVES))
