"""The fusion of methods that score all items, with weights and settings selected on validation."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from p5rec.core.artefacts import Lineage, write_json
from p5rec.core.code import Work
from p5rec.core.config import FileName
from p5rec.core.errors import UserError
from p5rec.core.paths import files_in
from p5rec.core.registry import Registry
from p5rec.core.types import Corpus

from ..base import Method
from ..component_plans import plan_components
from ..folder import CONFIG
from ..named import names_in, resolve
from ..needs import Component, Inputs, Need
from ..plans import PlanContext, Planned
from ..registry import any_method
from .choice import Choice
from .grid import COMPONENTS, Grid, fit_name

if TYPE_CHECKING:
    from .predictor import FusionPredictor

WORK = Registry(
    "work of a fusion",
    {
        "search": "p5rec.methods.fusion.search:search",
        "open": "p5rec.methods.fusion.predictor:open_predictor",
    },
)
SCORED = "a method that scores items"


class Fusion(Method):
    """A weighted sum of the logarithmic item scores of several methods.

    Validation selects the weights and one point of each component's grid. The search runs over
    scores of validation users and refits nothing. A component without a contribution gets the
    weight 0 and is not used.
    """

    kind: Literal["fusion"] = "fusion"
    components: dict[FileName, any_method(named=True)] = Field(min_length=1)  # type: ignore[valid-type]
    """Name → method whose item scores are added, in this order: a section of a method that scores
    items, or the name of one of the recipe's.
    """
    weights: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Name → weight, for components with a fixed weight. Validation selects the others."""
    exclude_seen: bool | None = None
    """Leave the items of histories out of the lists that validation compares. null: as
    ``evaluate.exclude_seen``.
    """

    @property
    def methods(self) -> dict[str, Method]:
        """The components' configs by name, without unresolved names."""
        control = {"permute_histories": True} if self.permute_histories else {}
        return {
            name: component.model_copy(update=control)
            for name, component in self.components.items()
            if isinstance(component, Method)
        }

    @property
    def grids(self) -> dict[str, Grid]:
        """The components' candidates, by name."""
        return {name: Grid.of(component) for name, component in self.methods.items()}

    @property
    def stochastic(self) -> bool:  # type: ignore[override]
        """Whether a component is."""
        return any(component.stochastic for component in self.methods.values())

    @property
    def content_based(self) -> bool:  # type: ignore[override]
        """Whether a component is."""
        return any(component.content_based for component in self.methods.values())

    @property
    def semantic_ids(self) -> str | None:
        """See :class:`~p5rec.methods.base.Method`: the components'."""
        return next(
            filter(None, (component.semantic_ids for component in self.methods.values())), None
        )

    @property
    def starts_from(self) -> str | None:
        """See :class:`~p5rec.methods.base.Method`: that of a component."""
        return next(
            filter(None, (component.starts_from for component in self.methods.values())), None
        )

    @property
    def share(self) -> float:
        """See :class:`~p5rec.methods.base.Method`: the smallest of a component."""
        return min((component.share for component in self.methods.values()), default=1.0)

    def of_all_users(self) -> Self:
        """See :class:`~p5rec.methods.base.Method`."""
        methods = {name: component.of_all_users() for name, component in self.methods.items()}
        return self.model_copy(update={"components": {**self.components, **methods}})

    def first_seed(self, split_seed: int) -> int:
        """See :class:`~p5rec.methods.base.Method`: that of the first component."""
        first = next(iter(self.methods.values()), None)
        return split_seed if first is None else first.first_seed(split_seed)

    def method_names(self) -> Iterator[str]:
        """See :class:`~p5rec.methods.base.Method`."""
        return names_in(*self.components.values())

    def resolve_names(self, methods: Mapping[str, Method], *, exclude_seen: bool) -> Self:
        """See :class:`~p5rec.methods.base.Method`."""
        scoring = {name: method for name, method in methods.items() if method.scores_items}
        components = {
            name: resolve(
                method, f"components.{name}", f"a section, or the name of {SCORED}", scoring,
                exclude_seen=exclude_seen,
            )
            for name, method in self.components.items()
        }  # fmt: skip
        unseen = exclude_seen if self.exclude_seen is None else self.exclude_seen
        filled = self.model_copy(update={"components": components, "exclude_seen": unseen})
        if error := filled._error():
            raise UserError(error)
        return filled

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """Searches for weights and settings (:func:`.search.search`).

        The lineage is empty: that of the components is added by the pipeline.
        """
        unseen = self.exclude_seen is not False
        choice: Choice = WORK.get("search")(self.grids, self.weights, unseen, corpus, inputs)
        choice.save(folder)
        return Lineage.none()

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`~p5rec.methods.base.Method`: every fit that the search reads."""
        return {
            fit_name(name, fit): Component(name, method)
            for name, grid in self.grids.items()
            for fit, method in enumerate(grid.fitted)
        }

    def query_needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`~p5rec.methods.base.Method`: the same; :meth:`files` takes the selected
        ones."""
        return self.needs(seed)

    def files(self, model: Path, query_inputs: Inputs, work: Path) -> dict[str, Path]:
        """See :class:`~p5rec.methods.base.Method`: adds the folders of the components that have a
        weight, and a copy of the codes of one of them."""
        contents, choice = super().files(model, query_inputs, work), Choice.read(model)
        for name, method in self.settled(choice).methods.items():
            if choice.weights[name]:
                fit = self.grids[name].fits[choice.candidates[name]]
                folder = query_inputs[fit_name(name, fit)]
                files = files_in(folder) | {CONFIG: work / COMPONENTS / name / CONFIG}
                write_json(files[CONFIG], method.dump())
                contents |= {f"{COMPONENTS}/{name}/{at}": path for at, path in files.items()}
                contents |= {at: path for at, path in files.items() if at.startswith("codes/")}
        return contents

    def settled(self, choice: Choice) -> Self:
        """The method with the weights and settings that validation selected."""
        components = {
            name: grid.points[choice.candidates[name]] for name, grid in self.grids.items()
        }
        return self.model_copy(update={"components": components, "weights": choice.weights})

    @property
    def needs_validation(self) -> bool:
        """See :class:`~p5rec.methods.base.Method`: for weights, or for a component."""
        fixed = self.weights.keys() == self.components.keys()
        return not fixed or any(component.needs_validation for component in self.methods.values())

    def as_chosen(self, model: Path) -> Self:
        """See :class:`~p5rec.methods.base.Method`: the components that have a weight, each with
        its selected settings."""
        choice = Choice.read(model)
        weights = {name: weight for name, weight in choice.weights.items() if weight}
        methods = self.settled(choice).methods
        components = {name: methods[name].as_chosen(model / COMPONENTS / name) for name in weights}
        return self.model_copy(update={"components": components, "weights": weights, "tune": {}})

    def continue_from(self, model: Path, share: float) -> Self:
        """See :class:`~p5rec.methods.base.Method`: continues the components that can."""
        components = {
            n: component.continue_from(model / COMPONENTS / n, share)
            for n, component in self.methods.items()
        }
        return self.model_copy(update={"components": components})

    def fit_facts(self) -> dict[str, Any]:
        """See :class:`~p5rec.methods.base.Method`: those of each component."""
        return {name: component.fit_facts() for name, component in self.methods.items()}

    def load(self, folder: Path) -> FusionPredictor:
        """See :class:`~p5rec.methods.base.Method`."""
        return self.open_predictor(folder, download=True)

    def open_predictor(
        self, folder: Path, ids: Path | None = None, *, download: bool = False
    ) -> FusionPredictor:
        """See :class:`~p5rec.methods.base.Method`."""
        predictor: FusionPredictor = WORK.get("open")(folder, ids, download=download)
        return predictor

    @property
    def fitted_by(self) -> tuple[Work, ...]:
        """See :class:`~p5rec.methods.base.Method`."""
        return (*super().fitted_by, WORK.target("search"), *self._components_queried_by)

    @property
    def queried_by(self) -> tuple[Work, ...]:
        """See :class:`~p5rec.methods.base.Method`."""
        return (*super().queried_by, WORK.target("open"), *self._components_queried_by)

    @property
    def _components_queried_by(self) -> tuple[Work, ...]:
        return tuple(work for component in self.methods.values() for work in component.queried_by)

    def check(self, ids: Mapping[str, Any]) -> Iterator[str]:
        """See :class:`~p5rec.methods.base.Method`."""
        for name, component in self.methods.items():
            yield from (f"components.{name}.{line}" for line in component.check(ids))

    def check_data(self, corpus: Corpus, tasks: Collection[str]) -> Iterator[str]:
        """See :class:`~p5rec.methods.base.Method`."""
        for name, component in self.methods.items():
            yield from (f"components.{name}: {line}" for line in component.check_data(corpus, ()))

    def plan(self, corpus: Corpus, among: PlanContext) -> Planned:
        """See :func:`..component_plans.plan_components`."""
        return plan_components(self.methods, corpus, among)

    def chosen(self, model: Path) -> dict[str, Any]:
        """See :class:`~p5rec.methods.base.Method`."""
        return Choice.read(model).facts()

    def describe(self) -> dict[str, Any]:
        """See :class:`~p5rec.methods.base.Method`: the full config."""
        return {"method": self.dump()}

    @model_validator(mode="after")
    def _fuses_what_scores(self) -> Self:
        if error := self._error():
            raise ValueError(error)
        return self

    def _error(self) -> str | None:
        """An error message about the components; None: they are valid."""
        for name, component in self.methods.items():
            if not component.scores_items:
                return (
                    f"components.{name}: expected {SCORED}, got a {component.kind}, which does not"
                )
        if unknown := self.weights.keys() - self.components.keys():
            known = ", ".join(self.components)
            return f"weights: expected a component ({known}), got {min(unknown)!r}; rename it"
        if not any(self.weights.get(name, 1.0) for name in self.components):
            return "weights: expected one above 0, got none; raise one"
        if len({component.semantic_ids for component in self.methods.values()} - {None}) > 1:
            return "components: expected the same ids in all components, got others; set their ids"
        return None
