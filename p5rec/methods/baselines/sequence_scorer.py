"""The base class of predictors whose network reads a history event by event.

B requests, N items, T events, D width.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from p5rec.core.features import behaviour_codes
from p5rec.core.types import Histories

from . import fitting
from .scorer import ItemScorer
from .sequences import length_buckets


class SequenceSettings(Protocol):
    """The settings that queries read."""

    @property
    def width(self) -> int: ...
    @property
    def window(self) -> int: ...


class SequenceScorer(ItemScorer):
    """Ranks by the cosine of item vectors and the hidden state after the last event.

    A request without a history gets the most popular items.

    Attributes:
        counts: ``(N,)`` float32 training events of each item.
        method: the settings of the fit.
    """

    counts: np.ndarray
    method: SequenceSettings

    @property
    def behaviours(self) -> tuple[str, ...]:
        """Names of the behaviours that it distinguishes."""
        raise NotImplementedError

    @property
    def vectors(self) -> np.ndarray:
        """``(N, D)`` float32 unit vectors of the items."""
        raise NotImplementedError

    def states(self, items: Tensor, done: Tensor) -> Tensor:
        """``(B, T, D)`` unit states of ``items (B, T)`` with the behaviours ``done (B, T)``."""
        raise NotImplementedError

    @torch.no_grad()
    def scores(self, histories: Histories) -> np.ndarray:
        """See :class:`.scorer.ItemScorer`."""
        window = self.method.window
        read = histories.tail(window)
        states = np.zeros((len(read), self.method.width), dtype=np.float32)
        done = behaviour_codes(read.behaviours, self.behaviours, len(read.items))
        for rows, columns, last in length_buckets(read, window, read.items, done):
            hidden = self.states(*map(torch.from_numpy, columns))
            states[rows] = hidden[np.arange(len(rows)), last[: len(rows)]].numpy()
        scores = fitting.products(states, self.vectors)
        scores[histories.lengths == 0] = self.counts
        return scores
