"""What both trainings of U-BERT share: their examples, optimizer and validation.

E training events, T words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from p5rec.core.artefacts import Lineage
from p5rec.core.errors import input_error
from p5rec.core.features import behaviour_codes
from p5rec.core.types import Corpus

from ...tune import of_ratings
from .predictor import UbertPredictor, Words
from .reviews import FIRST, Reviews, numbers, texts_of, vocabulary
from .settings import UbertSettings


@dataclass(frozen=True, eq=False)
class Examples:
    """The training events of a corpus.

    Attributes:
        corpus: the data.
        events: ``(E,)`` event numbers.
        words: ``(E, T)`` word numbers of their reviews.
        domains: ``(E,)`` the number of each event's domain.
        names: vocabulary and domains.
    """

    corpus: Corpus
    events: np.ndarray
    words: np.ndarray
    domains: np.ndarray
    names: Words

    @classmethod
    def of(cls, method: UbertSettings, corpus: Corpus, known: Words | None = None) -> Examples:
        """The training events, with the vocabulary ``known`` or one of their own."""
        log = corpus.interactions
        events = np.flatnonzero(corpus.split.mask("train"))
        texts = texts_of(log, events)
        words = known.words if known else ()
        if known is None:
            words = (*("",) * FIRST, *vocabulary(texts, method.min_count, method.vocabulary))
        behaviours = log.behaviours
        domains = ("",) if behaviours is None else behaviours.vocabulary
        own = None if behaviours is None else behaviours.take(events)
        codes = behaviour_codes(own, domains, len(events))
        table = numbers(texts, words[FIRST:], method.max_words)
        return cls(corpus, events, table, codes, Words(words, domains))

    @property
    def is_target(self) -> np.ndarray:
        """``(E,)`` bool: events of target behaviours."""
        return self.corpus.interactions.is_target[self.events]

    @property
    def ratings(self) -> np.ndarray:
        """``(E,)`` float64 rating points; NaN where there is none."""
        ratings = self.corpus.interactions.ratings
        assert ratings is not None, "check_data wants ratings"
        return ratings[self.events].astype(np.float64)

    @property
    def users(self) -> np.ndarray:
        """``(E,)`` int64."""
        return self.corpus.interactions.users[self.events].astype(np.int64)

    @property
    def items(self) -> np.ndarray:
        """``(E,)`` int64."""
        return self.corpus.interactions.items[self.events].astype(np.int64)

    def reviews(self, most: int) -> Reviews:
        """The reviews of target behaviours, at most ``most`` of a user and of an item."""
        chosen = self.is_target
        log = self.corpus.interactions
        return Reviews.of(log, self.events[chosen], self.words[chosen], most)

    def rated(self, chosen: np.ndarray, kind: str) -> np.ndarray:
        """The rows of those of ``chosen (E,)`` that have a rating.

        Raises:
            UserError: there are none.
        """
        rows = np.flatnonzero(chosen & np.isfinite(self.ratings))
        if not len(rows):
            todo = "map a rating column, or check data.behaviour"
            raise input_error(kind, "training events with ratings", "none", todo)
        return rows

    @property
    def lineage(self) -> Lineage:
        """All training events: the vocabulary reads them."""
        return Lineage(self.corpus.interactions.event_keys[self.events])


def scale_of(ratings: np.ndarray) -> np.ndarray:
    """``(2,)`` mean and standard deviation of ``ratings (n,)``; equal ratings deviate by 1."""
    return np.array([ratings.mean(), ratings.std() or 1.0])


def optimizer_of(network: nn.Module, method: UbertSettings, examples: int) -> torch.optim.Optimizer:
    """Adam; the embeddings and biases of users and items have the ridge penalty ``l2``.

    Args:
        network: either network.
        method: the settings.
        examples: number of training examples; a loss is the mean over a batch of them.
    """
    entities = ("users.embeddings.", "users.biases.", "items.embeddings.", "items.biases.")
    own = [each for name, each in network.named_parameters() if name.startswith(entities)]
    others = [each for name, each in network.named_parameters() if not name.startswith(entities)]
    penalty, rate = 2 * method.l2 / examples, method.embedding_learning_rate
    groups: list[dict[str, Any]] = [
        {"params": own, "weight_decay": penalty, "lr": rate},
        {"params": others},
    ]
    return torch.optim.Adam(groups, lr=method.learning_rate, fused=True)


def validation_metric(predictor: UbertPredictor, corpus: Corpus) -> Callable[[], float] | None:
    """The negated RMSE of validation ratings; None: there are none."""
    log = corpus.interactions
    valid = corpus.split.mask("valid")
    if log.ratings is None or not np.isfinite(log.ratings[valid]).any():
        return None
    metric = of_ratings(corpus)
    return lambda: metric(predictor)
