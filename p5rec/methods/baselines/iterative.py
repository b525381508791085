"""The settings that baselines share which train by epochs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field

from p5rec.core.artefacts import file_sha256
from p5rec.core.errors import fault
from p5rec.data.targets import Targets

from ..arrays import FILE, load_arrays
from ..base import ONWARDS, REPLAY, Method, share_of
from ..needs import Model, Need

EPOCHS = "epochs"  # of a fitted method's arrays: after how many its weights were so


class IterativeMethod(Method):
    """How a network learns."""

    learning_rate: float = Field(default=2e-3, gt=0)
    """Learning rate of Adam."""
    batch: int = Field(default=2048, ge=1)
    """Most positions (SASRec) or triples (BPR) per step. Small logs take smaller steps: at least 10
    per epoch.
    """
    averaged: float = Field(default=8, ge=0)
    """Epochs in the moving average of the weights."""
    epochs: int = Field(default=100, ge=1)
    """Most epochs."""
    patience: int = Field(default=8, ge=0)
    """Epochs without progress before training stops: their mean validation NDCG@10 is no higher
    than that of as many epochs before. 0: train all ``epochs``, without validation checks.
    """

    embeds_items = True
    drawn = True
    watches_lists = True

    @property
    def chooses(self) -> bool:
        """See :class:`p5rec.methods.base.Method`: when to stop, too."""
        return super().chooses or self.patience > 0

    def as_chosen(self, model: Path) -> Self:
        """See :class:`p5rec.methods.base.Method`: so many epochs as the best check came after."""
        arrays = load_arrays(model)
        if EPOCHS not in arrays:
            todo = "fit it again"
            raise fault(model, "a model that says how long it trained", "one without", todo)
        settled = {"epochs": int(arrays[EPOCHS][0]), "patience": 0}
        return super().as_chosen(model).model_copy(update=settled)

    def account(self) -> dict[str, Any]:
        """See :class:`p5rec.methods.base.Method`."""
        return {**super().account(), "epochs": self.epochs}


class SasrecSettings(IterativeMethod):
    """The network and its training."""

    kind: Literal["sasrec"] = "sasrec"
    width: int = Field(default=64, ge=2)
    """Width of the hidden states."""
    layers: int = Field(default=1, ge=1)
    """Transformer blocks."""
    heads: int = Field(default=2, ge=1)
    """Attention heads."""
    window: int = Field(default=100, ge=1)
    """Most recent events that are read."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Dropout probability."""
    temperature: float = Field(default=0.1, ge=0.05)
    """Temperature of the softmax over cosines."""
    negatives: int = Field(default=1024, ge=1)
    """Sampled negatives per step. A catalogue of up to twice as many items is scored in full."""
    targets: Targets | None = None
    """What each item is predicted from. ``next-event``: the events before it. ``next-basket``: the
    events before its basket. null: as the split says.
    """
    start: str | None = None
    """Model to initialise from: a folder, or a method of the recipe, of this kind and these sizes.
    Items that it does not know start from fresh embeddings. null: fresh weights.
    """
    replay: float | None = Field(default=None, ge=0)
    """With ``start``: users without new events to train on per user with new events, drawn at
    random. null: all users.
    """

    untuned = Method.untuned | {"start"}
    grid = {"dropout": (0.2, 0.4)}

    @property
    def starts_from(self) -> str | None:
        """See :class:`p5rec.methods.base.Method`."""
        return self.start

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`p5rec.methods.base.Method`: what the training begins from."""
        return {} if self.start is None else {"start": Model(self.start, _hash)}

    def fit_settings(self) -> dict[str, Any]:
        """See :class:`p5rec.methods.base.Method`; what it begins from is in the key by itself."""
        return {name: value for name, value in super().fit_settings().items() if name != "start"}

    def continued(self, model: Path, share: float) -> Self:
        """See :class:`p5rec.methods.base.Method`."""
        settings = {"epochs": share_of(self.epochs, share), "start": str(model), "replay": REPLAY}
        return self.model_copy(update=settings)

    def account(self) -> dict[str, Any]:
        """See :class:`p5rec.methods.base.Method`."""
        return super().account() | ({"fitted": ONWARDS} if self.start else {})


def _hash(model: Path) -> str:
    if not (model / FILE).is_file():
        raise fault(model / FILE, "a SASRec's weights", "nothing there", "copy the folder anew")
    return file_sha256(model / FILE)


class BprSettings(IterativeMethod):
    """How large the factors are and how they learn."""

    kind: Literal["bpr"] = "bpr"
    factors: int = Field(default=64, ge=1)
    """Number of factors."""
    l2: float = Field(default=0.005, ge=0)
    """Weight of the squared factors of a triple's user and items in its loss."""
    learning_rate: float = Field(default=5e-3, gt=0)
    batch: int = Field(default=1024, ge=1)
    averaged: float = Field(default=5, ge=0)
    patience: int = Field(default=10, ge=0)

    grid = {"l2": (0.005, 0.002, 0.01)}
