"""The settings that baselines share which train by epochs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from p5rec.data.targets import Targets

from ..base import Method


class IterativeMethod(Method):
    """How a network learns.

    Attributes:
        learning_rate: of Adam.
        batch: the most positions or triples of a step; smaller logs take smaller steps, 10 an epoch
            or more.
        averaged: the weights that are kept are the mean of those of about so many epochs.
        epochs: passes over the training events, at most.
        patience: training ends when the mean validation NDCG@10 of so many epochs is not above
            that of as many before.
    """

    learning_rate: float = Field(default=2e-3, gt=0)
    batch: int = Field(default=2048, ge=1)
    averaged: float = Field(default=8, ge=0)
    epochs: int = Field(default=100, ge=1)
    patience: int = Field(default=8, ge=1)

    embeds_items = True
    drawn = True
    watches_lists = True


class SasrecSettings(IterativeMethod):
    """The network and its training.

    Attributes:
        width, layers, heads, window, dropout: see ``p5rec.models.sasrec.SasrecShape``.
        temperature: cosines are divided by it before the softmax.
        negatives: items drawn for each step; a catalogue of up to twice as many is asked for whole.
        targets: ``next-event`` or ``next-basket`` (see ``p5rec.data.targets``); None: as the split
            has it.
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

    grid = {"dropout": (0.2, 0.4)}


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
    averaged: float = Field(default=5, ge=0)
    patience: int = Field(default=10, ge=1)

    grid = {"l2": (0.005, 0.002, 0.01)}
