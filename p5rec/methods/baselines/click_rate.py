"""How often an item is taken: the same probability of a click for everybody.

Where the data label events, the positive and negative ones are counted. Elsewhere every training
event is set against one item that is drawn evenly from those its user could have been shown then
and has not met in training, as the task ``click`` does. Nothing is drawn here: of each item the
number of such draws is known in the mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from p5rec.core.artefacts import Lineage
from p5rec.core.types import Histories, Interactions, Split, check_rows
from p5rec.data.available import Available

from ..arrays import load_arrays, save_arrays
from ..base import Method


@dataclass(frozen=True, eq=False)
class ItemRates:
    """Predicts an item's share of events among its events and draws.

    Attributes:
        rates: ``(N,)`` float32, 0 to 1.
        lineage: the training events.
    """

    rates: np.ndarray
    lineage: Lineage | None = None

    def predict_click(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.PredictsClicks`; of histories nothing is read.

        Raises:
            ValueError: item rows outside the data.
        """
        check_rows("item", items, len(self.rates))
        rates: np.ndarray = self.rates[items]
        return rates

    def save(self, folder: Path) -> None:
        """See :class:`p5rec.methods.predictors.Learned`."""
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
        """Count how often each item was taken and left in training events."""
        train, n_items, labels = split.mask("train"), interactions.n_items, interactions.labels
        asked = train & interactions.is_target
        items, users, rate = interactions.items[asked], interactions.users[asked], 0.5
        if labels is not None and (labels >= 0).any():
            taken, left = (
                np.bincount(items[labels[asked] == label], minlength=n_items) for label in (1, 0)
            )
            rate = taken.sum() / max(1, taken.sum() + left.sum())
        else:
            taken = np.bincount(items, minlength=n_items)
            available = Available.of(interactions, train)
            left = expected_draws(users, items, interactions.times[asked], available)
        rates = (taken + self.smoothing * rate) / (taken + left + self.smoothing)
        return ItemRates(rates.astype(np.float32), Lineage(interactions.event_keys[train]))

    def load(self, folder: Path) -> ItemRates:
        """See :class:`p5rec.methods.base.Method`."""
        return ItemRates(**load_arrays(folder))


def expected_draws(
    users: np.ndarray, items: np.ndarray, times: np.ndarray, available: Available
) -> np.ndarray:
    """``(N,)`` how often each item is drawn in the mean, if each event draws one that could be
    shown then and that its user has not met.

    Args:
        users, items, times: ``(E,)`` of the events.
        available: of the N items.
    """
    n_items, (moments, at) = len(available.since), np.unique(times, return_inverse=True)
    apart = len(moments) + 1  # between users, where (user, moment) is one number
    since = np.searchsorted(moments, available.since)  # the first moment of each item
    pairs = np.unique(users.astype(np.int64) * n_items + items)
    met_by, met = pairs // n_items, pairs % n_items
    own, asked = met_by * apart + since[met], users.astype(np.int64) * apart + at
    ordered = np.sort(own)
    begins = np.searchsorted(ordered, users.astype(np.int64) * apart)
    known = np.searchsorted(ordered, asked, side="right") - begins
    left = available.counts(times) - known
    each = np.where(left > 0, 1 / np.maximum(left, 1), 0.0)  # draws of each item that is left
    later = np.cumsum(np.bincount(at, each, len(moments))[::-1])[::-1]
    draws = np.append(later, 0.0)[since]
    order = np.argsort(asked, kind="stable")
    sums = np.append(0.0, np.cumsum(each[order]))
    ends = np.searchsorted(asked[order], (met_by + 1) * apart)
    theirs = sums[ends] - sums[np.searchsorted(asked[order], own)]
    found: np.ndarray = np.maximum(draws - np.bincount(met, theirs, n_items), 0)
    return found
