"""Histories of a user's first events, followed by the user's synthetic items.

A synthetic item is a row of the features of items: its vector is that of its text, and all other
fields are unknown. The rows follow those of the N items, one block of U users for each synthetic
item of a user. B instances, K synthetic items of a user, S events, d width of a vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from p5rec.core.types import Histories, ranges

from ...click.encoding import Encoded, Encoder
from ...click.features import UNKNOWN, DataFields, EntityFields, UserIndex, standardised


def without_user_ids(fields: DataFields) -> DataFields:
    """The fields with one id for all users, that of an unknown one."""
    singles = fields.users.singles.copy()
    singles[:, 0] = fields.users.unknown[0]
    return replace(fields, users=replace(fields.users, singles=singles))


def with_synthetic(
    items: EntityFields,
    name: str,
    vectors: np.ndarray,
    synthetic: Sequence[np.ndarray],
    known: np.ndarray,
) -> EntityFields:
    """The fields of items with rows of synthetic items, before that of an unknown item.

    Args:
        items: the fields.
        name: of their vectors.
        vectors: ``(N, d)`` the vectors of the items' texts, NaN where unknown.
        synthetic: K arrays ``(U, d)``, the vectors of the synthetic items of all users.
        known: ``(N,)`` bool, items with training events. Vectors are standardised over them.
    """
    joined = np.concatenate([vectors, *synthetic])
    more = len(joined) - len(vectors)
    scaled = standardised(joined, np.append(known, np.zeros(more, bool)))

    def extended(rows: np.ndarray) -> np.ndarray:
        return np.concatenate([rows[:-1], np.repeat(rows[-1:], more + 1, axis=0)])

    return replace(
        items,
        singles=extended(items.singles),
        lists=extended(items.lists),
        shares=extended(items.shares),
        vectors={
            each: np.concatenate([scaled, rows[-1:]]) if each == name else extended(rows)
            for each, rows in items.vectors.items()
        },
    )


@dataclass(frozen=True, eq=False)
class SyntheticEncoder(Encoder):
    """Encodes requests with a user's first events and synthetic items.

    Attributes:
        first: the number of first events.
        synthetic: ``(U + 1, K)`` int64, the rows of each user's synthetic items, -1 without a text;
            the last row is of an unknown user, who has none.
    """

    first: int
    synthetic: np.ndarray

    @classmethod
    def of(
        cls, fields: DataFields, users: UserIndex, first: int, items: int, name: str
    ) -> SyntheticEncoder:
        """The encoder over the fields of :func:`with_synthetic`.

        Args:
            fields: of the model.
            users: finds its users.
            first: the number of first events.
            items: N.
            name: of the items' vectors.
        """
        vectors = fields.items.vectors[name][:-1]
        rows = np.arange(items, len(vectors)).reshape(-1, len(users.keys)).T
        rows = np.where(np.isnan(vectors[rows, 0]), UNKNOWN, rows)
        rows = np.concatenate([rows, np.full_like(rows[:1], UNKNOWN)])
        return cls(fields, users, first + rows.shape[1], first, rows)

    @property
    def latest(self) -> None:
        """See :class:`p5rec.methods.click.encoding.Encoder`: all events, to find the first."""

    def encode(self, histories: Histories, items: np.ndarray) -> Encoded:
        """See :class:`p5rec.methods.click.encoding.Encoder`."""
        encoded = super().encode(histories.head(self.first), items)
        assert encoded.read is not None
        added = self.synthetic[encoded.users.numpy()]
        own, labels, offsets = (each.numpy() for each in encoded.read)
        read = map(torch.from_numpy, followed(own, labels, offsets, added))
        return replace(encoded, read=(next(read), next(read), next(read)))


def followed(
    items: np.ndarray, labels: np.ndarray, offsets: np.ndarray, added: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Histories followed by further items without a label.

    Args:
        items, labels, offsets: S events of B histories and a padding event
            (:class:`p5rec.methods.click.encoding.Encoded`).
        added: ``(B, K)`` int64 rows of items; negative ones are left out.

    Returns:
        The three arrays with the added events.
    """
    lengths, counts = np.diff(offsets), (added >= 0).sum(1)
    ends = np.cumsum(lengths + counts)
    starts = ends - lengths - counts
    own, more = ranges(starts, lengths)[0], ranges(starts + lengths, counts)[0]
    out_items = np.full(len(own) + len(more) + 1, items[-1])
    out_labels = np.full_like(out_items, labels[-1])
    out_items[own], out_labels[own] = items[:-1], labels[:-1]
    out_items[more] = added[added >= 0]
    return out_items, out_labels, np.append(0, ends)
