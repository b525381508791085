"""The linear part of a method: item-to-item weights in closed form, beside what a model says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from p5rec.core.artefacts import Lineage
from p5rec.core.config import Config
from p5rec.core.types import Corpus, Interactions, Split
from p5rec.data.train_events import of_some_users

from ..base import Method
from ..needs import Inputs

if TYPE_CHECKING:
    from .linear_fitting import LinearPredictor


class LinearConfig(Config):
    """Item-to-item weights (:class:`p5rec.models.linear.Linear`).

    Attributes:
        kind: ``ease`` (Steck 2019, arXiv:1905.03375); ``item-knn``, the cosine of two items' users;
            ``auto``, EASE up to ``max_items``, whose cubic time and square memory it cannot afford
            beyond.
        l2: of EASE, in users.
        kept: weights of each item that are kept, the largest by their size.
        max_items: of ``auto``.
        popularity_discount: an item's weights are divided by its training events to this power,
            between 0 (least squares, which favour what is popular) and 1 (Steck 2011, "Item
            popularity and recommendation accuracy", has such a power in what is counted).
    """

    kind: Literal["auto", "ease", "item-knn"] = "auto"
    l2: float = Field(100.0, gt=0)
    kept: int = Field(500, ge=1)
    max_items: int = Field(20_000, ge=1)
    popularity_discount: float = Field(0.3, ge=0, le=1)


class LinearPart(Method):
    """Such weights as a method of their own.

    Attributes:
        weights: how they are fitted.
        users: share of the users, drawn, whose events are learned from.
    """

    kind: Literal["linear"] = "linear"
    weights: LinearConfig = LinearConfig()
    users: float = Field(1.0, gt=0, le=1)

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :class:`p5rec.methods.base.Method`."""
        if self.users < 1:
            corpus = of_some_users(corpus, self.users, seed)
        return super().fit(corpus, folder, seed=seed, inputs=inputs)

    def learn(self, interactions: Interactions, split: Split) -> LinearPredictor:
        """See :func:`.linear_fitting.fit`."""
        from .linear_fitting import fit

        return fit(self.weights, interactions, split)

    def load(self, folder: Path) -> LinearPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        from .linear_fitting import load

        return load(folder)
