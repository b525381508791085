"""Item click rates: the probability of a click on an item, equal for all users.

With labelled events, it counts positive and negative ones. Without labels, each training event has
one sampled negative, as in the task ``click``: an item drawn uniformly from those that were
available at the time and that the user has no training event with. Instead of sampling, it computes
the expected number of draws of each item.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from p5rec.core.artefacts import Lineage
from p5rec.core.types import Histories, Interactions, Split, check_rows
from p5rec.data.available import NEVER, Available

from ..arrays import load_arrays, save_arrays
from ..base import Method


@dataclass(frozen=True, eq=False)
class ItemRates:
    """Predicts an item's share of positives among its positives and negatives.

    Attributes:
        rates: ``(N,)`` float32, 0 to 1.
        lineage: the training events.
    """

    rates: np.ndarray
    lineage: Lineage | None = None

    def predict_click(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.PredictsClicks`; histories are ignored.

        Raises:
            ValueError: item rows outside the data.
        """
        check_rows("item", items, len(self.rates))
        rates: np.ndarray = self.rates[items]
        return rates

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.FittedPredictor`."""
        save_arrays(folder, {"rates": self.rates})


class ItemClickRate(Method):
    """The smoothed click rate of each item, the same for every user.

    ``(taken + smoothing * rate) / (taken + left + smoothing)``.
    """

    kind: Literal["item-click-rate"] = "item-click-rate"
    smoothing: float = Field(default=10.0, gt=0)
    """Pseudo-events added to each item, clicked at the rate of all items: one half where negatives
    are sampled.
    """

    capabilities = ("predict_click",)
    grid = {"smoothing": (1.0, 3.0, 10.0, 30.0, 100.0)}

    def learn(self, interactions: Interactions, split: Split) -> ItemRates:
        """Counts positives and negatives of each item."""
        train, n_items, labels = split.mask("train"), interactions.n_items, interactions.labels
        targets = train & interactions.is_target
        items, users, rate = interactions.items[targets], interactions.users[targets], 0.5
        if labels is not None and (labels >= 0).any():
            positives, negatives = (
                np.bincount(items[labels[targets] == label], minlength=n_items) for label in (1, 0)
            )
            rate = positives.sum() / max(1, positives.sum() + negatives.sum())
        else:
            positives = np.bincount(items, minlength=n_items)
            available = Available.of(interactions, train, others=NEVER)
            negatives = expected_negatives(users, items, interactions.times[targets], available)
        events = positives + negatives
        rates = (positives + self.smoothing * rate) / (events + self.smoothing)
        return ItemRates(rates.astype(np.float32), Lineage(interactions.event_keys[train]))

    def load(self, folder: Path) -> ItemRates:
        """See :class:`p5rec.methods.base.Method`."""
        return ItemRates(**load_arrays(folder))


def expected_negatives(
    users: np.ndarray, items: np.ndarray, times: np.ndarray, available: Available
) -> np.ndarray:
    """``(N,)`` the expected number of times that each item is sampled as a negative.

    Each event samples one item, uniformly from those available at its time that its user has no
    event with.

    Args:
        users, items, times: ``(E,)`` of the events.
        available: availability of the N items.
    """
    n_items, (moments, at) = len(available.since), np.unique(times, return_inverse=True)
    stride = len(moments) + 1  # user * stride + moment is one number
    since = np.searchsorted(moments, available.since)  # the first moment of each item
    pairs = np.unique(users.astype(np.int64) * n_items + items)
    pair_users, pair_items = pairs // n_items, pairs % n_items
    available_at = pair_users * stride + since[pair_items]
    event_at = users.astype(np.int64) * stride + at
    ordered = np.sort(available_at)
    begins = np.searchsorted(ordered, users.astype(np.int64) * stride)
    known = np.searchsorted(ordered, event_at, side="right") - begins
    candidates = available.counts(times) - known
    each = np.where(candidates > 0, 1 / np.maximum(candidates, 1), 0.0)  # per candidate
    later = np.cumsum(np.bincount(at, each, len(moments))[::-1])[::-1]
    draws = np.append(later, 0.0)[since]
    order = np.argsort(event_at, kind="stable")
    sums = np.append(0.0, np.cumsum(each[order]))
    ends = np.searchsorted(event_at[order], (pair_users + 1) * stride)
    own = sums[ends] - sums[np.searchsorted(event_at[order], available_at)]
    expected: np.ndarray = np.maximum(draws - np.bincount(pair_items, own, n_items), 0)
    return expected
