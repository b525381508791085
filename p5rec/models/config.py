"""The heads beside the language model's own, as a recipe says them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from p5rec.core.config import Config

DENSE, DENSE_RATING = "dense", "dense-rating"  # the tasks that are no prompt families
BUNDLE = "manifest.json"  # what shows that a folder holds a trained model


class HeadsConfig(Config):
    """What is learned of a rating: ``classification + balance * regression``, and its words.

    Kang et al. 2023 (arXiv:2305.06474) put one head or the other on a language model
    and train it by squared error or by cross-entropy; here both may share one model.
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
        """No head at all."""
        return cls(regression=None, classification=None)

    @property
    def any(self) -> bool:
        """Whether there is a head."""
        return bool(self.regression or self.classification)

    @model_validator(mode="after")
    def _something_is_taught(self) -> HeadsConfig:
        if not (self.any or self.words):
            raise ValueError("expected a regression, a classification or words, got none of them")
        return self


class ItemHeadConfig(Config):
    """Whole items, each named at once, beside the codes that name them step by step."""

    weight: float = Field(1.0, gt=0)
    """Weight of the item head's loss."""
    codes: float = Field(0.1, gt=0)
    """Weight of the loss of the codes beside it."""
    temperature: float = Field(0.1, ge=0.05)
    """Temperature of the softmax over cosines."""
    negatives: int = Field(8192, ge=1)
    """Sampled negatives per batch. A catalogue of up to twice as many items is scored in full."""
    spread: float = Field(0.02, gt=0)
    """Standard deviation of the initial item embeddings. Cosines ignore an embedding's norm, but
    the network that reads it does not: choose ``train.row_learning_rate`` to fit.
    """
