"""The linear part of a method: item-to-item weights in closed form, beside what a model says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from p5rec.core.artefacts import Lineage
from p5rec.core.code import Work
from p5rec.core.registry import Registry
from p5rec.core.types import Corpus, Interactions, Split
from p5rec.data.train_events import of_some_users

from ..base import Method
from ..needs import Inputs
from .config import LinearConfig

if TYPE_CHECKING:
    from .linear_fitting import LinearPredictor

# a method that has a linear part imports this, and is not fitted anew where the fit below changes
WORK = Registry(
    "work of a linear part",
    {
        "fit": "p5rec.methods.generative.linear_fitting:fit",
        "load": "p5rec.methods.generative.linear_fitting:load",
    },
)


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
        fitted: LinearPredictor = WORK.get("fit")(self.weights, interactions, split)
        return fitted

    def load(self, folder: Path) -> LinearPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        loaded: LinearPredictor = WORK.get("load")(folder)
        return loaded

    @property
    def fitted_by(self) -> tuple[Work, ...]:
        """See :class:`p5rec.methods.base.Method`."""
        return (*super().fitted_by, WORK.target("fit"))

    @property
    def queried_by(self) -> tuple[Work, ...]:
        """See :class:`p5rec.methods.base.Method`."""
        return (*super().queried_by, WORK.target("load"))
