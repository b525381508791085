"""Requests and items as the tensors that click models read. B instances, S events of B histories,
T events, C context fields, U users."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from p5rec.core.types import Histories
from p5rec.models.click.model import Events, Instances

from .features import UNKNOWN, DataFields, UserIndex


@dataclass(frozen=True, eq=False)
class Encoded:
    """B instances.

    Attributes:
        users, items: ``(B,)`` int64 rows; -1 is unknown.
        context: ``(B, C)`` int64 codes.
        read: ``(S,)`` the items of the events, ``(S,)`` their labels plus one, and ``(B + 1,)``
            the offsets; None if histories are not read.
    """

    users: Tensor
    items: Tensor
    context: Tensor
    read: tuple[Tensor, Tensor, Tensor] | None

    def take(self, rows: Tensor, events: int | None = None) -> Instances:
        """The instances ``rows (B,)``.

        Args:
            rows: their indices.
            events: T; None: the length of the longest history.
        """
        chosen = self.users[rows], self.items[rows], self.context[rows]
        if self.read is None:
            return Instances(*chosen)
        items, labels, offsets = self.read
        starts, ends = offsets[rows], offsets[rows + 1]
        width = int((ends - starts).max()) if events is None else events
        at = starts[:, None] + torch.arange(max(1, width))
        real = at < ends[:, None]
        at = torch.where(real, at, len(items) - 1)  # the padding behind the last history
        return Instances(*chosen, Events(items[at], labels[at], real))


@dataclass(frozen=True, eq=False)
class Encoder:
    """Encodes requests for one model.

    Attributes:
        fields: of the model.
        users: finds its users.
        events: the most recent events that it reads; 0: none.
    """

    fields: DataFields
    users: UserIndex
    events: int

    @property
    def latest(self) -> int | None:
        """The latest events of a request that it needs; None: all."""
        return self.events

    def encode(self, histories: Histories, items: np.ndarray) -> Encoded:
        """The instances of B requests, each with its item ``(B,)``."""
        read = None
        if self.events:
            recent = histories.tail(self.events)
            labels = np.zeros(len(recent.items), np.int64)
            if recent.labels is not None:
                labels += recent.labels + 1
            padded = np.append(recent.items, UNKNOWN).astype(np.int64), np.append(labels, 0)
            items_read, labels_read = map(torch.from_numpy, padded)
            read = items_read, labels_read, torch.from_numpy(recent.offsets)
        return Encoded(
            torch.from_numpy(self.users.rows(histories)),
            torch.from_numpy(items.astype(np.int64)),
            torch.from_numpy(self.fields.context_codes(histories)),
            read,
        )
