"""Biased matrix factorisation of ratings, by alternating least squares.

A rating is ``mean + user_bias[u] + item_bias[i] + user_factors[u] . item_factors[i]`` (Koren, Bell
& Volinsky 2009, *Matrix factorization techniques for recommender systems*), fitted as Zhou et al.
2008 (*Large-scale parallel collaborative filtering for the Netflix prize*, section 3) do: all users
with fixed items, then all items with fixed users, each by a small ridge regression.

E training events, U users, N items, F factors.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import derive_rng
from p5rec.core.types import NOBODY, Histories, Interactions, Split, check_rows

from ..arrays import load_arrays, save_arrays
from ..base import Method
from .rating import training_ratings

CELLS = 2**22  # entries of outer products in memory at a time: 32 MB
INIT_STD = 0.1  # of the factors


@dataclass(frozen=True, eq=False)
class Factors:
    """Predicts ratings from biases and factors, which are zero without training events.

    Attributes:
        mean: of all training ratings.
        users: ``(U, 1 + F)`` each user's bias, then the factors.
        items: ``(N, 1 + F)`` each item's.
        lineage: the training events.
    """

    mean: float
    users: np.ndarray
    items: np.ndarray
    lineage: Lineage | None = None

    def predict_rating(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.PredictsRatings`; it reads the users of histories.

        Raises:
            ValueError: user or item rows outside the data.
        """
        check_rows("user", histories.users, len(self.users), NOBODY)
        check_rows("item", items, len(self.items))
        unknown = np.zeros((1, self.users.shape[1]))
        users = np.concatenate([self.users, unknown])
        user, item = users[histories.users], self.items[items]
        shared = (user[:, 1:] * item[:, 1:]).sum(axis=1)
        return (self.mean + user[:, 0] + item[:, 0] + shared).astype(np.float32)

    def item_vectors(self) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.EmbedsItems`: factors alone, no biases."""
        known = self.items.any(axis=1, keepdims=True)
        return np.where(known, self.items[:, 1:], np.nan).astype(np.float32)

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.FittedPredictor`."""
        arrays = {"users": self.users, "items": self.items}
        save_arrays(folder, {"mean": np.array([self.mean]), **arrays})


class MatrixFactorization(Method):
    """Biased matrix factorisation of ratings by alternating least squares."""

    kind: Literal["mf"] = "mf"
    factors: int = Field(default=8, ge=1)
    """Number of factors."""
    bias_l2: float = Field(default=3.0, gt=0)
    """Ridge penalty of the biases, in ratings."""
    factor_l2: float = Field(default=10.0, gt=0)
    """Ridge penalty of the factors, in ratings."""
    sweeps: int = Field(default=15, ge=1)
    """Rounds of alternating least squares: users, then items."""

    capabilities = ("predict_rating",)
    embeds_items = True
    grid = {"factors": (2, 4, 8, 16), "factor_l2": (5.0, 10.0, 20.0, 100.0)}

    def learn(self, interactions: Interactions, split: Split) -> Factors:
        """Fits users and items alternately, from small random factors of the items.

        Raises:
            UserError: no training event with a rating.
        """
        users, items, ratings = training_ratings("mf", interactions, split)
        mean = float(ratings.mean())
        penalty = np.array([self.bias_l2, *[self.factor_l2] * self.factors])
        of_users = np.zeros((interactions.n_users, 1 + self.factors))
        of_items = derive_rng(split.seed, "factors").normal(
            0, INIT_STD, (interactions.n_items, 1 + self.factors)
        )
        of_items[:, 0] = 0
        by_user, by_item = np.argsort(users, kind="stable"), np.argsort(items, kind="stable")
        for _ in range(self.sweeps):
            for owners, own, others, by in (
                (users, of_users, (items, of_items), by_user),
                (items, of_items, (users, of_users), by_item),
            ):
                rows, known = others[0][by], others[1]
                rest = ratings[by] - mean - known[rows, 0]
                own[:] = _ridge(owners[by], known[rows], rest, len(own), penalty)
        seen = np.bincount(items, minlength=len(of_items)) > 0
        return Factors(
            mean,
            of_users,
            of_items * seen[:, None],
            Lineage(interactions.event_keys[split.mask("train")]),
        )

    def load(self, folder: Path) -> Factors:
        """See :class:`p5rec.methods.base.Method`."""
        arrays = load_arrays(folder)
        return Factors(float(arrays.pop("mean")[0]), **arrays)


def _ridge(
    rows: np.ndarray, known: np.ndarray, rest: np.ndarray, n: int, penalty: np.ndarray
) -> np.ndarray:
    """``(n, 1 + F)``: the bias and factors of each row, by ridge regression of the residuals.

    Args:
        rows: ``(E,)``, ascending.
        known: ``(E, 1 + F)`` biases and factors of the other side; the biases are ignored.
        rest: ``(E,)`` residual ratings.
        n: number of rows.
        penalty: ``(1 + F,)``.
    """
    design = np.concatenate([np.ones((len(rows), 1)), known[:, 1:]], axis=1)
    width = design.shape[1]
    left, right = np.zeros((n, width, width)), np.zeros((n, width))
    left += np.diag(penalty)
    for first in range(0, len(rows), max(1, CELLS // width**2)):
        block = slice(first, first + max(1, CELLS // width**2))
        own, start = np.unique(rows[block], return_index=True)
        outer = design[block][:, :, None] * design[block][:, None, :]
        left[own] += np.add.reduceat(outer, start, axis=0)
        right[own] += np.add.reduceat(design[block] * rest[block, None], start, axis=0)
    return np.linalg.solve(left, right[..., None])[..., 0]
