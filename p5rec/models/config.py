"""The heads beside the language model's own, as a recipe says them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from p5rec.core.config import Config

NEXT_ITEM, RATING_SEQUENCE = "next-item", "rating-sequence"  # the tasks that are no prompt families
BUNDLE = "manifest.json"  # what shows that a folder holds a trained model


class HeadsConfig(Config):
    """What is learned of a rating: ``classification + balance * regression``, and its words.

    Kang et al. 2023 (arXiv:2305.06474) put one head or the other on a language model
    and train it by squared error or by cross-entropy; here both may share one model.

    Attributes:
        regression: the loss of the number: ``mse``, squared error; ``huber``, Huber's (1964) with
            its bend at 1; null: no such head.
        classification: the loss of the class, one of the ratings that occur: ``ce``, each class
            has a logit of its own; ``ordinal``, one score against ascending thresholds; null: no
            such head.
        balance: of the regression in the sum, lambda.
        words: learn the text of a rating too, as of any other answer; without, the heads alone
            are taught it.
    """

    regression: Literal["mse", "huber"] | None = "mse"
    classification: Literal["ce", "ordinal"] | None = "ce"
    balance: float = Field(1.0, gt=0)
    words: bool = True

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
    """Whole items, each named at once, beside the codes that name them step by step.

    Attributes:
        weight: of its loss.
        codes: of the loss of the codes beside it, which share the rows that items are read by.
        temperature: cosines are divided by it before the softmax.
        negatives: items drawn for a batch; a catalogue of up to twice as many is asked for whole.
        spread: standard deviation of the items' own rows before training. Cosines do not see how
            long a row is, but what reads it does, and ``train.embedding_learning_rate`` should fit.
    """

    weight: float = Field(1.0, gt=0)
    codes: float = Field(0.1, gt=0)
    temperature: float = Field(0.1, ge=0.05)
    negatives: int = Field(8192, ge=1)
    spread: float = Field(0.02, gt=0)
