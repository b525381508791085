"""The settings of UniSRec: those of the network, of its pre-training, and of its tuning."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field

from p5rec.core.artefacts import file_sha256
from p5rec.core.errors import input_error

from ...arrays import FILE
from ...baselines.iterative import IterativeMethod
from ...needs import Model, Need, Vectors


class UnisrecSettings(IterativeMethod):
    """The network and its training."""

    vectors: str = "items"
    """Name of the recipe's vectors of the items' texts. An item without a vector has a learned one.
    """
    width: int = Field(default=64, ge=2)
    """Width of item vectors and hidden states."""
    experts: int = Field(default=8, ge=1)
    """Whitenings that the adaptor mixes."""
    adaptor_dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout probability of text vectors."""
    layers: int = Field(default=2, ge=1)
    """Transformer blocks."""
    heads: int = Field(default=2, ge=1)
    """Attention heads."""
    window: int = Field(default=50, ge=1)
    """Most recent events that are read."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout probability of the transformer."""
    temperature: float = Field(default=0.07, ge=0.05)
    """Temperature of the softmax over cosines."""
    learning_rate: float = Field(default=1e-3, gt=0)

    content_based = True

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`p5rec.methods.base.Method`: the vectors of the texts."""
        return {"vectors": Vectors(self.vectors)}


class PretrainingSettings(UnisrecSettings):
    """Contrastive pre-training."""

    kind: Literal["unisrec-pretraining"] = "unisrec-pretraining"
    dropped_words: str | None = None
    """Name of vectors of the texts without some of their words (``vectors.NAME.drop_words``), for
    the second view of a sequence. null: views drop items alone.
    """
    item_drop: float = Field(default=0.2, ge=0, lt=1)
    """Share of a sequence's items that its second view drops, or reads without some words."""
    word_views: float = Field(default=0.1, ge=0, le=1)
    """With ``dropped_words``: share of the steps whose second views drop words, not items."""
    sequence_weight: float = Field(default=1e-3, ge=0)
    """Weight of the sequence-sequence loss, relative to the sequence-item loss."""
    ema_epochs: float = Field(default=1, ge=0)
    epochs: int = Field(default=10, ge=1)
    patience: int = Field(default=0, ge=0)

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`p5rec.methods.base.Method`."""
        second = {} if self.dropped_words is None else {"dropped": Vectors(self.dropped_words)}
        return {**super().needs(seed), **second}


class TuningSettings(UnisrecSettings):
    """Tuning on one domain."""

    kind: Literal["unisrec"] = "unisrec"
    pretrained: str | None = None
    """Pre-trained model: a folder, or a method of the recipe, of these sizes. null: all weights are
    trained from scratch.
    """
    setting: Literal["inductive", "transductive"] = "inductive"
    """``inductive``: item vectors come from texts alone. ``transductive``: each item also has an
    embedding of its own. With ``pretrained``, the encoder of sequences is frozen in both.
    """
    users: float = Field(default=1.0, gt=0, le=1)
    """Share of the users, drawn at random, whose events are trained on."""
    negatives: int = Field(default=1024, ge=1)
    """Sampled negatives per step. A catalogue of up to twice as many items is scored in full."""

    untuned = UnisrecSettings.untuned | {"pretrained"}

    @property
    def starts_from(self) -> str | None:
        """See :class:`p5rec.methods.base.Method`."""
        return self.pretrained

    @property
    def share(self) -> float:
        """See :class:`p5rec.methods.base.Method`."""
        return self.users

    def of_all_users(self) -> Self:
        """See :class:`p5rec.methods.base.Method`."""
        return self.model_copy(update={"users": 1.0})

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`p5rec.methods.base.Method`."""
        start = {} if self.pretrained is None else {"pretrained": Model(self.pretrained, _hash)}
        return {**super().needs(seed), **start}

    def fit_settings(self) -> dict[str, Any]:
        """See :class:`p5rec.methods.base.Method`; ``pretrained`` enters the key as an input."""
        return {n: value for n, value in super().fit_settings().items() if n != "pretrained"}


def _hash(model: Path) -> str:
    if not (model / FILE).is_file():
        raise input_error(
            model / FILE, "the weights of a pre-trained UniSRec", "nothing there",
            "pre-train it (p5rec run systems/unisrec-pretraining), or name its folder",
        )  # fmt: skip
    return file_sha256(model / FILE)
