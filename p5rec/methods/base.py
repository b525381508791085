"""A method: a config that is fitted to a folder, and what is loaded from there.

Whatever a user can name and compare is one, from popularity to a language model. A method is added
in one file of its own and a line of :mod:`.registry`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, runtime_checkable

import numpy as np
from pydantic import model_validator

from p5rec.core.artefacts import Lineage
from p5rec.core.config import Config
from p5rec.core.registry import Registry
from p5rec.core.types import Corpus, Histories, Interactions, Split
from p5rec.recommend.protocols import Recommender
from p5rec.tasks.registry import TASKS

if TYPE_CHECKING:
    from p5rec.tasks.predictions import Predictions
    from p5rec.tasks.view import CorpusView

LISTS = "recommend"  # the capability whose answers are lists for all users
# capability → the metric of a corpus's validation part by which settings are chosen
VALIDATION = Registry(
    "capability that validation measures",
    {
        "recommend": "p5rec.methods.tune:of_lists",
        "predict_rating": "p5rec.methods.tune:of_ratings",
        "predict_click": "p5rec.methods.tune_clicks:of_clicks",
    },
)
Inputs = Mapping[str, Path]  # name → folder of an artefact that the config declares


class Predictor(Protocol):
    """A fitted method. It has the capabilities below that it offers, and no others.

    Attributes:
        lineage: the events it saw; None where it was loaded, for a folder's manifest says it.
    """

    @property
    def lineage(self) -> Lineage | None: ...

    def save(self, folder: Path) -> None:
        """Write all that :meth:`Method.load` needs into ``folder``."""
        ...


@runtime_checkable
class Recommends(Predictor, Recommender, Protocol):
    """Ranks the catalogue."""


@runtime_checkable
class PredictsRatings(Predictor, Protocol):
    """Predicts what a user would rate an item."""

    def predict_rating(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """``(B,)`` float32 in rating points, not clipped: of ``items (B,)`` by each request."""
        ...


@runtime_checkable
class PredictsClicks(Predictor, Protocol):
    """Predicts whether a user takes an item."""

    def predict_click(self, histories: Histories, items: np.ndarray) -> np.ndarray:
        """``(B,)`` float32, the probability of a click on each of ``items (B,)`` by a request."""
        ...


@dataclass(frozen=True)
class Plan:
    """What fitting a method takes.

    Attributes:
        fits: models that are fitted under the first seed.
        memory: bytes that the largest takes beside the data; 0: little.
    """

    fits: int
    memory: float = 0.0


class Method(Config):
    """A method's settings, which are what fits it.

    ``tune`` maps settings to the values among which validation chooses. It is :attr:`grid` unless
    the config says otherwise, less the settings that the config fixes itself.

    Attributes:
        kind: the name in the registry.
        tune: setting → values to try; empty: fit what is set.
        permute_histories: each event of a history is another user's, in training and in queries:
            the control of what histories tell.
        capabilities: what its predictors can do; validation measures the first. Of each but
            ``recommend`` follow the tasks whose questions the method can be asked.
        drawn: whether a fit depends on random draws, so that other seeds give other models.
        grid: the values tried by default; of equal ones the first wins.
    """

    kind: str
    tune: dict[str, tuple[Any, ...]] = {}
    permute_histories: bool = False

    capabilities: ClassVar[tuple[str, ...]] = ("recommend",)
    drawn: ClassVar[bool] = False
    grid: ClassVar[Mapping[str, tuple[Any, ...]]] = {}

    def learn(self, interactions: Interactions, split: Split) -> Any:
        """A :class:`Predictor`, fitted to the training events; draws follow ``split.seed``."""
        raise NotImplementedError

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """Fit to the training events of ``corpus``, and save into ``folder``.

        Args:
            seed: of every draw.
            inputs: artefacts that the config declares, by name.

        Returns:
            The events that were seen.
        """
        model = self.learn(corpus.interactions, replace(corpus.split, seed=seed))
        model.save(folder)
        lineage: Lineage = model.lineage
        return lineage

    def load(self, folder: Path) -> Any:
        """The :class:`Predictor` that was saved in ``folder``."""
        raise NotImplementedError

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks whose questions the method answers, beside the lists of one that ranks."""
        able = {*self.capabilities} - {LISTS}
        return tuple(name for name in TASKS if TASKS.get(name).capability in able)

    @property
    def code(self) -> tuple[str, ...]:
        """What the config names in other registries and a fit runs, as ``package.module:name``."""
        return ()

    @classmethod
    def reference(cls, asked: Predictions, view: CorpusView) -> Self | None:
        """The method of this kind that stands beside whoever answers the questions ``asked``.

        None: it has nothing to say about them.
        """
        made: Self = cls.model_validate({})
        return made

    def points(self) -> tuple[Self, ...]:
        """The configs of the grid, each without a grid of its own; at least one."""
        fixed = {**self.dump(), "tune": {}}
        values = product(*self.tune.values())
        return tuple(
            type(self)(**fixed | dict(zip(self.tune, point, strict=True))) for point in values
        )

    def plan(self, corpus: Corpus) -> Plan:
        """What fitting takes: models that validation compares, and the memory of the largest."""
        return Plan(len(self.points()))

    def describe(self) -> dict[str, Any]:
        """Facts for a report, by name."""
        left = {"tune"} | (set() if self.permute_histories else {"permute_histories"})
        return {name: value for name, value in self.dump().items() if name not in left}

    @model_validator(mode="before")
    @classmethod
    def _tunes_what_is_not_fixed(cls, tree: Any) -> Any:
        if isinstance(tree, dict) and "tune" not in tree:
            tree = {**tree, "tune": {k: v for k, v in cls.grid.items() if k not in tree}}
        return tree

    @model_validator(mode="after")
    def _tunes_what_it_has(self) -> Self:
        settings = type(self).model_fields.keys() - {"kind", "tune", "permute_histories"}
        if strange := self.tune.keys() - settings:
            raise ValueError(f"tune: no setting {min(strange)!r}; known: {sorted(settings)}")
        if self.tune and self.capabilities[0] not in VALIDATION:
            raise ValueError(f"tune: validation measures no {self.kind}: leave it out")
        if empty := [name for name, values in self.tune.items() if not values]:
            raise ValueError(f"tune: expected at least one value of {empty[0]!r}")
        if self.tune:
            self.points()  # every point must be a config
        return self
