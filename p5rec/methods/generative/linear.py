"""The linear part of a method: item-to-item weights in closed form, beside what a model says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from p5rec.core.artefacts import Lineage
from p5rec.core.types import Corpus, Interactions, Split
from p5rec.data.train_events import of_some_users

from ..base import Method
from ..needs import Inputs
from .config import LinearConfig

if TYPE_CHECKING:
    from .linear_fitting import LinearPredictor


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
