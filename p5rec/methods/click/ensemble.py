"""An ensemble of regression trees as arrays. B instances, K numbers, R trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

BLOCK = 4096  # instances that pass a tree at a time: they stay in the cache
NODES = ("value", "feature", "threshold", "children")


@dataclass(frozen=True, eq=False)
class Trees:
    """Trees over logits.

    Attributes:
        nodes: arrays of all nodes, by the names in ``NODES``. A leaf is its own child. A node
            whose missing values go right has its feature K later.
        roots: ``(R,)`` the root of each tree.
        depth: of the deepest tree.
        base: the logit that they add to.
    """

    nodes: dict[str, np.ndarray]
    roots: np.ndarray
    depth: int
    base: float

    @classmethod
    def of(cls, ensemble: Any) -> Trees:
        """The trees of a fitted ``HistGradientBoostingClassifier`` without categories."""
        tables = [tree.nodes for (tree,) in ensemble._predictors]
        sizes = [len(table) for table in tables]
        roots = np.cumsum([0, *sizes[:-1]])
        joined, first = np.concatenate(tables), np.repeat(roots, sizes)
        leaf, own = joined["is_leaf"].astype(bool), np.arange(len(joined))
        children = np.stack([joined["left"], joined["right"]])
        width = ensemble.n_features_in_
        nodes = {
            "value": joined["value"],
            "feature": joined["feature_idx"] + width * (joined["missing_go_to_left"] == 0),
            # a node that asks for missing values alone has the threshold +inf, as they have below
            "threshold": np.minimum(joined["num_threshold"], np.finfo(np.float64).max),
            "children": np.where(leaf, own, first + children).T.ravel(),
        }
        base = float(np.ravel(ensemble._baseline_prediction)[0])
        return cls(nodes, roots, int(joined["depth"].max()), base)

    def logits(self, matrix: np.ndarray) -> np.ndarray:
        """``(B,)`` float64 for ``matrix (B, K)`` float32."""
        blocks = range(0, len(matrix), BLOCK)
        sums = [self._sums(matrix[start : start + BLOCK]) for start in blocks]
        return self.base + np.concatenate([np.zeros(0), *sums])

    def _sums(self, block: np.ndarray) -> np.ndarray:
        value, feature, threshold, children = (self.nodes[name] for name in NODES)
        missing = np.isnan(block)
        low, high = (np.where(missing, bound, block) for bound in (-np.inf, np.inf))
        numbers = np.concatenate([low, high], axis=1)
        first, flat = np.arange(len(block)) * numbers.shape[1], numbers.ravel()
        total = np.zeros(len(block))
        for root in self.roots:
            at = np.full(len(block), root)
            for _ in range(self.depth):
                right = flat.take(first + feature.take(at)) > threshold.take(at)
                at = children.take(2 * at + right)
            total += value.take(at)
        return total
