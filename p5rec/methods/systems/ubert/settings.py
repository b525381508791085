"""The settings of U-BERT's two methods."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from p5rec.core.artefacts import file_sha256
from p5rec.core.errors import input_error
from p5rec.core.types import Corpus

from ...arrays import FILE
from ...baselines.iterative import IterativeMethod
from ...needs import Model, Need

WORDS = "words.json"


class UbertSettings(IterativeMethod):
    """The settings that both kinds share."""

    width: int = Field(default=64, ge=2)
    """Width of embeddings and states."""
    layers: int = Field(default=1, ge=1)
    """Transformer blocks of the review encoder."""
    heads: int = Field(default=2, ge=1)
    """Attention heads of each block."""
    vocabulary: int = Field(default=10_000, ge=1)
    """Most words of the vocabulary."""
    min_count: int = Field(default=2, ge=1)
    """Fewest occurrences of a word of the vocabulary in training reviews."""
    reviews: int = Field(default=4, ge=1)
    """Most recent training reviews of a user, and of an item, that are read."""
    max_words: int = Field(default=32, ge=1)
    """Most words of a review, those of its headline included."""
    learning_rate: float = Field(default=3e-4, gt=0)
    embedding_learning_rate: float = Field(default=1e-2, gt=0)
    """Learning rate of the embeddings and biases of users and items."""
    batch: int = Field(default=64, ge=1)
    """Most reviews or pairs per step. Small logs take smaller steps: at least 10 per epoch."""
    ema_epochs: float = Field(default=1, ge=0)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout probability."""
    l2: float = Field(default=10.0, ge=0)
    """Ridge penalty of the embeddings and biases of users and items, in ratings."""

    capabilities = ("predict_rating",)
    embeds_items = False
    validates_during_fit = False

    def check_data(self, corpus: Corpus, tasks: Collection[str]) -> Iterator[str]:
        """See :class:`p5rec.methods.base.Method`."""
        ratings = corpus.interactions.ratings
        train = corpus.split.mask("train")
        if ratings is None or not np.isfinite(ratings[train]).any():
            yield "needs training events with ratings; set data.columns.rating"


class PretrainingSettings(UbertSettings):
    """U-BERT's pre-training: masked opinion words and the ratings behind reviews.

    It is trained on the domain that is rich in reviews: on the events of auxiliary behaviours
    (``data.behaviour``, whose values are the domains), or on all events if there is one domain. Its
    own predictions read an item's reviews as if the user had written them.
    """

    kind: Literal["u-bert-pretraining"] = "u-bert-pretraining"
    opinion_words: int = Field(default=500, ge=0)
    """Most opinion words: words in the reviews of every domain that tell ratings apart."""
    mask: float = Field(default=0.5, gt=0, lt=1)
    """Probability that an opinion word of a review is masked."""
    balance: float = Field(default=0.5, ge=0, le=1)
    """Weight of the masked words in the loss; the ratings have the rest."""
    permute_users: bool = False
    """Permutation control: permute the users of the reviews, so that each user gets another
    user's.
    """
    learning_rate: float = Field(default=1e-3, gt=0)
    batch: int = Field(default=128, ge=1)
    epochs: int = Field(default=20, ge=1)
    patience: int = Field(default=0, ge=0)
    """Epochs without progress in validation RMSE before training stops. 0: train all ``epochs``,
    without validation checks.
    """


class FineTuningSettings(UbertSettings):
    """U-BERT: ratings from the reviews of users and items, initialised from a pre-training.

    It is trained on the ratings of target behaviours (``data.behaviour``), or on all ratings if
    there is one domain. The reviews of a user about the item are never its input.
    """

    kind: Literal["u-bert"] = "u-bert"
    start: str | None = None
    """Pre-trained model of these sizes: a method of the recipe of kind ``u-bert-pretraining``, or a
    saved model's folder; its vocabulary is used. Users that it does not know start from fresh
    embeddings. null: fresh weights.
    """
    epochs: int = Field(default=30, ge=1)
    patience: int = Field(default=4, ge=0)
    """Epochs without progress in validation RMSE before training stops. 0: train all ``epochs``,
    without validation checks.
    """

    untuned = UbertSettings.untuned | {"start"}

    @property
    def starts_from(self) -> str | None:
        """See :class:`p5rec.methods.base.Method`."""
        return self.start

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`p5rec.methods.base.Method`: the pre-trained model."""
        return {} if self.start is None else {"start": Model(self.start, _hash)}

    def fit_settings(self) -> dict[str, Any]:
        """See :class:`p5rec.methods.base.Method`; ``start`` enters the key as an input."""
        return {name: value for name, value in super().fit_settings().items() if name != "start"}


def _hash(model: Path) -> str:
    if not (model / FILE).is_file() or not (model / WORDS).is_file():
        raise input_error(model, "a model of kind u-bert-pretraining", "none", "name another")
    return file_sha256(model / FILE) + file_sha256(model / WORDS)
