"""Instances as rows of numbers: click rates, attributes, side vectors, history counts.

B instances, K numbers, n entities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from p5rec.core.types import Histories

from .features import DataFields, EntityFields, UserIndex

SMOOTHING = 10.0  # instances at the mean rate that are added to each user and item
LISTED = 32  # values of an entity's lists with a column of their own, the first in the table


@dataclass(frozen=True, eq=False)
class Rates:
    """Click rates of n entities; the last row is an unknown one.

    Attributes:
        rates: ``(n + 1,)`` smoothed share of positive instances.
        counts: ``(n + 1,)`` instances.
    """

    rates: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, labels: np.ndarray, count: int) -> Rates:
        """The rates of ``count`` entities from the entity and label of instances, ``(B,)`` each."""
        counts = np.bincount(rows, minlength=count + 1).astype(np.float64)
        positives = np.bincount(rows, labels, minlength=count + 1)
        mean = labels.mean() if len(labels) else 0.5
        return cls((positives + SMOOTHING * mean) / (counts + SMOOTHING), counts)

    def columns(self, rows: np.ndarray) -> np.ndarray:
        """``(B, 2)`` of the entities ``rows (B,)``."""
        return np.stack([self.rates[rows], self.counts[rows]], axis=1)


def rates_by_folds(
    rows: np.ndarray, labels: np.ndarray, count: int, folds: np.ndarray
) -> np.ndarray:
    """``(B, 2)`` rates and counts of each instance's entity, from the other folds.

    Args:
        rows, labels: ``(B,)`` the entity and label of each instance.
        count: entities.
        folds: ``(B,)`` the fold of each instance.
    """
    columns = np.empty((len(rows), 2))
    for fold in np.unique(folds):
        own = folds == fold
        columns[own] = Rates.of(rows[~own], labels[~own], count).columns(rows[own])
    return columns


@dataclass(frozen=True, eq=False)
class Tabular:
    """Turns requests into numbers.

    Attributes:
        fields: of users, items and context.
        users: finds the users.
        user_rates, item_rates: their click rates.
    """

    fields: DataFields
    users: UserIndex
    user_rates: Rates
    item_rates: Rates

    def matrix(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """``(B, K)`` float32 of B requests, each with its item ``(B,)``."""
        users = self.users.rows(histories)
        rates = self.user_rates.columns(users), self.item_rates.columns(items)
        return self.with_rates(np.concatenate(rates, axis=1), histories, items)

    def with_rates(self, rates: np.ndarray, histories: Histories, items: np.ndarray) -> np.ndarray:
        """As :meth:`matrix`, with the ``rates (B, 4)`` of user and item."""
        parts = [
            rates,
            history_columns(histories),
            *_entity_columns(self.fields.users, self.users.rows(histories)),
            self.fields.context_codes(histories),
            *_entity_columns(self.fields.items, items),
        ]
        return np.concatenate([np.asarray(part, np.float32) for part in parts], axis=1)


def history_columns(histories: Histories) -> np.ndarray:
    """``(B, 2)`` the length of each history, and the share of its labels that are positive; NaN
    without labels."""
    share, labels = np.full(len(histories), np.nan), histories.labels
    if labels is not None:
        requests = histories.requests()
        positives, known = (
            np.bincount(requests, weights, minlength=len(histories))
            for weights in (labels > 0, labels >= 0)
        )
        np.divide(positives, known, out=share, where=known > 0)
    return np.stack([histories.lengths, share], axis=1)


def _entity_columns(fields: EntityFields, rows: np.ndarray) -> list[np.ndarray]:
    """Codes of the single-valued fields but the id, list values one by one, and side vectors."""
    listed = fields.lists.reshape(len(fields.lists), -1)
    values = np.unique(listed[listed > 0])[:LISTED]
    own = listed[rows]
    return [
        fields.singles[rows, 1:],
        *((own == value).any(axis=1)[:, None] for value in values),
        *(vectors[rows] for vectors in fields.vectors.values()),
    ]
