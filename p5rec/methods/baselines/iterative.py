"""The settings that baselines share which train by epochs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field

from p5rec.core.artefacts import file_sha256
from p5rec.core.errors import input_error
from p5rec.data.targets import Targets

from ..arrays import FILE, load_arrays
from ..base import ONWARDS, REPLAY, Method, share_of
from ..needs import Model, Need

EPOCHS = "epochs"  # of a fitted method's arrays: after how many its weights were so


class IterativeMethod(Method):
    """How a network learns.

    Attributes:
        learning_rate: of Adam.
        batch: the most positions or triples of a step; smaller logs take smaller steps, 10 an epoch
            or more.
        ema_epochs: the weights that are kept are the mean of those of about so many epochs.
        epochs: passes over the training events, at most.
        patience: training ends when the mean validation NDCG@10 of so many epochs is not above
            that of as many before; 0: it takes all ``epochs``, and no validation checks.
    """

    learning_rate: float = Field(default=2e-3, gt=0)
    batch: int = Field(default=2048, ge=1)
    ema_epochs: float = Field(default=8, ge=0)
    epochs: int = Field(default=100, ge=1)
    patience: int = Field(default=8, ge=0)

    embeds_items = True
    stochastic = True
    validates_during_fit = True

    @property
    def chooses(self) -> bool:
        """See :class:`p5rec.methods.base.Method`: when to stop, too."""
        return super().chooses or self.patience > 0

    def as_chosen(self, model: Path) -> Self:
        """See :class:`p5rec.methods.base.Method`: so many epochs as the best check came after."""
        arrays = load_arrays(model)
        if EPOCHS not in arrays:
            todo = "fit it again"
            raise input_error(model, "a model that says how long it trained", "one without", todo)
        settled = {"epochs": int(arrays[EPOCHS][0]), "patience": 0}
        return super().as_chosen(model).model_copy(update=settled)

    def account(self) -> dict[str, Any]:
        """See :class:`p5rec.methods.base.Method`."""
        return {**super().account(), "epochs": self.epochs}


class SasrecSettings(IterativeMethod):
    """The network and its training.

    Attributes:
        width, layers, heads, window, dropout: see ``p5rec.models.sasrec.SasrecShape``.
        temperature: cosines are divided by it before the softmax.
        negatives: items drawn for each step; a catalogue of up to twice as many is asked for whole.
        targets: ``next-event`` or ``next-basket`` (see ``p5rec.data.targets``); None: as the split
            has it.
        start: the folder of a model, or a method of the recipe, of this kind and these sizes, from
            whose weights training begins; items that it does not know begin as they do without.
        replay: of a training with a ``start``: users of whom that has seen all, drawn, that are
            trained on beside each user of whom it has not; None: everybody is.
    """

    kind: Literal["sasrec"] = "sasrec"
    width: int = Field(default=64, ge=2)
    layers: int = Field(default=1, ge=1)
    heads: int = Field(default=2, ge=1)
    window: int = Field(default=100, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    temperature: float = Field(default=0.1, ge=0.05)
    negatives: int = Field(default=1024, ge=1)
    targets: Targets | None = None
    start: str | None = None
    replay: float | None = Field(default=None, ge=0)

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
        raise input_error(
            model / FILE, "a SASRec's weights", "nothing there", "copy the folder anew"
        )
    return file_sha256(model / FILE)


class BprSettings(IterativeMethod):
    """How large the factors are and how they learn.

    Attributes:
        factors: D.
        l2: weight of the squared factors of a triple's user and items in its loss.
    """

    kind: Literal["bpr"] = "bpr"
    factors: int = Field(default=64, ge=1)
    l2: float = Field(default=0.005, ge=0)
    learning_rate: float = Field(default=5e-3, gt=0)
    batch: int = Field(default=1024, ge=1)
    ema_epochs: float = Field(default=5, ge=0)
    patience: int = Field(default=10, ge=0)

    grid = {"l2": (0.005, 0.002, 0.01)}
