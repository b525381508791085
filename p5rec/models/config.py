"""Settings of the rating heads and the item head."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from p5rec.core.config import Config

NEXT_ITEM, RATING_SEQUENCE = "next-item", "rating-sequence"  # the tasks that are no prompt families
BUNDLE = "manifest.json"  # marks the folder of a trained model


class HeadsConfig(Config):
    """Losses of a rating: ``classification + balance * regression``, and that of its text.

    Kang et al. 2023 (arXiv:2305.06474) train a language model with a regression head or a
    classification head; here both may share one model.
    """

    regression: Literal["mse", "huber"] | None = "mse"
    """Loss of the regression head: ``mse``, squared error; ``huber``, Huber's (1964) with delta 1.
    null: no such head.
    """
    classification: Literal["ce", "ordinal"] | None = "ce"
    """Loss of the classification head over the ratings that occur: ``ce``, cross-entropy;
    ``ordinal``, one score against ascending thresholds. null: no such head.
    """
    balance: float = Field(1.0, gt=0)
    """Weight of the regression loss in the sum."""
    words: bool = True
    """Also train the language model to write the rating as text."""

    @classmethod
    def none(cls) -> HeadsConfig:
        """Settings without rating heads."""
        return cls(regression=None, classification=None)

    @property
    def any(self) -> bool:
        """Whether there is at least one rating head."""
        return bool(self.regression or self.classification)

    @model_validator(mode="after")
    def _has_a_target(self) -> HeadsConfig:
        if not (self.any or self.words):
            raise ValueError("expected a regression, a classification or words, got none of them")
        return self


class ItemHeadConfig(Config):
    """A softmax over all items.

    With ``item_embeddings`` it is trained beside the softmax over codes. Without them an item's
    vector is the sum of its code embeddings, so that no parameter belongs to one item and a score
    is a sum over codes that are all known at once (parallel codes).
    """

    weight: float = Field(1.0, gt=0)
    """Weight of the item head's loss."""
    codes: float = Field(0.1, ge=0)
    """Weight of the loss of the codes. 0: codes are not predicted one after another; items are
    ranked by this head alone (``decode.search: item-head``).
    """
    temperature: float = Field(0.1, ge=0.05)
    """Temperature of the softmax over cosines."""
    negatives: int = Field(8192, ge=1)
    """Sampled negatives per batch. A catalogue of up to twice as many items is scored in full."""
    init_std: float = Field(0.02, gt=0)
    """Standard deviation of the initial item embeddings; without item embeddings, of the initial
    sums of code embeddings. Cosines ignore an embedding's norm, but the network that reads it does
    not: choose ``train.embedding_learning_rate`` to fit.
    """

    @property
    def alone(self) -> bool:
        """Whether this head alone predicts items."""
        return self.codes == 0


class AdapterConfig(Config):
    """The adapter that turns a vector into soft tokens, where prompts hold vectors."""

    tokens: int = Field(4, ge=1)
    """Soft tokens of a vector."""
    hidden: int = Field(512, ge=1)
    """Width of the adapter's hidden layer."""


class PointSettings(AdapterConfig):
    """An adapter for the vectors of one space."""

    width: int = Field(ge=1)
    """Width of the space."""
