"""TIFU-KNN: item frequencies that decay with time, blended with those of the nearest users.

Hu et al. 2020, "Modeling Personalized Item Frequency Information for Next-basket Recommendation",
arXiv:2006.00556. U users, N items, B requests, n baskets of a request.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

import numpy as np
from pydantic import Field
from scipy.sparse import csr_array

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import tie_order
from p5rec.core.types import Histories, Interactions, Split
from p5rec.data.matrices import basket_items
from p5rec.data.split import histories_from
from p5rec.data.train_events import training_counts

from ..arrays import load_arrays, save_arrays, sparse, sparse_arrays
from ..base import Method
from .frequency import logs_of_shares
from .scorer import ItemScorer


@dataclass(frozen=True, eq=False)
class TifuKnnPredictor(ItemScorer):
    """Blends the vector of the history with the mean of the nearest users' vectors.

    A user is not their own neighbour; keys identify users. A request without a history gets the
    most popular items.

    Attributes:
        users: ``(U, N)`` sparse float32, the vectors of the training histories.
        keys: ``(U,)`` uint64 keys of the users' ids.
        counts: ``(N,)`` float32 training events of each item.
        tie, user_tie: ``(N,)`` and ``(U,)`` tie orders.
        method: the settings of the fit.
        lineage: the training events.
    """

    users: csr_array
    keys: np.ndarray
    counts: np.ndarray
    tie: np.ndarray
    user_tie: np.ndarray
    method: TifuKnn
    lineage: Lineage | None = None

    @cached_property
    def _by_item(self) -> csr_array:
        return self.users.T.tocsr()

    @cached_property
    def _squares(self) -> np.ndarray:
        """``(U,)`` squared lengths of the users' vectors."""
        return np.asarray(self.users.power(2).sum(axis=1))

    def scores(self, histories: Histories) -> np.ndarray:
        """See :class:`.scorer.ItemScorer`."""
        from p5rec.recommend.ranking import CELLS  # configs do not import torch

        histories = histories.of_targets()
        own = self.method.vectors(histories, len(self.tie))
        step = max(1, CELLS // max(1, len(self.keys)))
        scores = np.empty(own.shape, dtype=np.float32)
        alpha = np.float32(self.method.alpha)
        for start in range(0, len(histories), step):
            rows = np.arange(start, min(start + step, len(histories)))
            keys = None if histories.keys is None else histories.keys[rows]
            others = self._neighbours(own[rows], keys) @ self.users
            scores[rows] = (alpha * own[rows] + (1 - alpha) * others).toarray()
        scores[histories.lengths == 0] = self.counts
        return scores

    def item_logs(self, histories: Histories) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.ScoresItems`; :func:`.frequency.logs_of_shares`."""
        return logs_of_shares(self.scores(histories))

    def over(self, row_of: np.ndarray) -> Self:
        """See :class:`p5rec.methods.predictors.ScoresOtherItems`."""
        known = np.flatnonzero(row_of >= 0)
        shape = len(self.tie), len(row_of)
        ones = np.ones(len(known), dtype=np.float32)
        users = csr_array(self.users @ csr_array((ones, (row_of[known], known)), shape=shape))
        counts = np.where(row_of >= 0, self.counts[row_of], np.float32(0))
        return replace(self, users=users, counts=counts, tie=np.arange(len(row_of)))

    def _neighbours(self, own: csr_array, keys: np.ndarray | None) -> csr_array:
        """``(b, U)`` sparse, the weight of each user in the mean of a request's nearest users.

        Args:
            own: ``(b, N)`` sparse, the requests' vectors; products are computed row by row, so that
                a request's result is bitwise independent of the other requests.
            keys: ``(b,)`` of the requests' users.
        """
        from p5rec.recommend.ranking import rank

        nearness = 2 * (own @ self._by_item).toarray() - self._squares  # + a constant of the row
        if keys is not None:
            nearness[keys[:, None] == self.keys] = -np.inf
        nearest, _ = rank(nearness, min(self.method.neighbours, len(self.keys)), self.user_tie)
        known = nearest >= 0
        each = np.repeat(1 / np.maximum(known.sum(axis=1), 1), known.sum(axis=1))
        starts = np.concatenate([[0], np.cumsum(known.sum(axis=1))])
        weights = each.astype(np.float32)
        return csr_array((weights, nearest[known], starts), shape=(own.shape[0], len(self.keys)))

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.Predictor`."""
        arrays = {"keys": self.keys, "counts": self.counts, "tie": self.tie}
        users = sparse_arrays("users", self.users)
        save_arrays(folder, {**arrays, "user_tie": self.user_tie, **users})


class TifuKnn(Method):
    """Item frequencies that decay over time, blended with those of the nearest users (TIFU-KNN)."""

    kind: Literal["tifu-knn"] = "tifu-knn"
    groups: int = Field(default=7, ge=1)
    """Groups into which a history's baskets are cut, as evenly as possible, the later ones longer
    (m in the paper). A history of fewer baskets has one group per basket.
    """
    within_decay: float = Field(default=0.9, gt=0, le=1)
    """Weight of a basket relative to the next one in its group (r_b in the paper)."""
    group_decay: float = Field(default=0.7, gt=0, le=1)
    """Weight of a group relative to the next one (r_g in the paper)."""
    neighbours: int = Field(default=300, ge=1)
    """Nearest users by Euclidean distance (k in the paper)."""
    alpha: float = Field(default=0.7, ge=0, le=1)
    """Weight of the user's own frequencies; the neighbours' mean has 1 - alpha."""

    scores_items = True
    grid = {
        "groups": (1, 3, 7),
        "group_decay": (0.7, 1.0),
        "neighbours": (100, 300),
        "alpha": (0.3, 0.7, 0.9),
    }

    def learn(self, interactions: Interactions, split: Split) -> TifuKnnPredictor:
        """Computes the vectors of the training histories, for target behaviours."""
        events = np.flatnonzero(split.mask("train") & interactions.is_target)
        users, first = np.unique(interactions.users[events], return_index=True)
        offsets = np.append(first, len(events)).astype(np.int64)
        histories = histories_from(interactions, users, events, offsets)
        keys = interactions.user_keys[users]
        return TifuKnnPredictor(
            self.vectors(histories, interactions.n_items),
            keys,
            training_counts(interactions, split).astype(np.float32),
            tie_order(interactions.item_keys, split.seed),
            tie_order(keys, split.seed),
            self,
            Lineage(interactions.event_keys[events]),
        )

    def vectors(self, histories: Histories, n_items: int) -> csr_array:
        """``(B, N)`` sparse float32, the mean of the groups' decayed mean baskets.

        With baskets ``v_1 .. v_s`` of a group, oldest first, its vector is
        ``sum_j r_b^(s - j) v_j / s``; of M groups the user's is ``sum_g r_g^(M - g) v_g / M``.
        """
        entries, baskets = basket_items(histories, n_items)
        requests = histories.requests()
        first = np.unique(histories.basket_numbers(), return_index=True)[1]
        weights = self._weights(np.bincount(requests[first], minlength=len(histories)))
        pairs = (requests[entries], histories.items[entries])
        return csr_array(
            (weights[baskets].astype(np.float32), pairs), shape=(len(histories), n_items)
        )

    def _weights(self, lengths: np.ndarray) -> np.ndarray:
        """The weight of each basket of requests that have ``lengths (B,)`` baskets, in order."""
        n = np.repeat(lengths, lengths)
        position = np.arange(len(n)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        groups = np.minimum(n, self.groups)
        size, longer = n // np.maximum(groups, 1), n % np.maximum(groups, 1)
        short = (groups - longer) * size  # baskets in groups of the smaller size
        late = position >= short
        size = size + late
        since = np.where(late, position - short, position)
        group = since // size + np.where(late, groups - longer, 0)
        within = self.within_decay ** (size - 1 - since % size) / size
        weights: np.ndarray = within * self.group_decay ** (groups - 1 - group) / groups
        return weights

    def load(self, folder: Path) -> TifuKnnPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        arrays = load_arrays(folder)
        users = sparse("users", arrays, len(arrays["tie"]))
        rest = {name: arrays[name] for name in ("keys", "counts", "tie", "user_tie")}
        return TifuKnnPredictor(users, **rest, method=self)
