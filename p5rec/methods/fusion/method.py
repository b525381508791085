"""The fusion of methods that score all items: weights and settings by a search on validation."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, model_validator

from p5rec.core.artefacts import Lineage, write_json
from p5rec.core.code import Work
from p5rec.core.config import FileName
from p5rec.core.errors import UserError, did_you_mean, fault
from p5rec.core.registry import Registry
from p5rec.core.types import Corpus

from ..base import Method
from ..folder import CONFIG
from ..needs import Inputs, Need, Part
from ..plans import Planned, Surroundings
from ..registry import any_method
from .choice import Choice
from .grid import PARTS, Grid, fit_name
from .planning import plan

if TYPE_CHECKING:
    from .predictor import FusionPredictor

WORK = Registry(
    "work of a fusion",
    {
        "search": "p5rec.methods.fusion.search:search",
        "open": "p5rec.methods.fusion.predictor:opened",
    },
)
SCORED = "a method that scores items"


class Fusion(Method):
    """A weighted sum of methods' log scores of items.

    Validation chooses the weights, and one point of each part's grid with them: a search over the
    scores of validation users, for which nothing is fitted again. A part that is not worth its
    place has the weight 0, and is not asked.
    """

    kind: Literal["fusion"] = "fusion"
    parts: dict[FileName, any_method(named=True)] = Field(min_length=1)  # type: ignore[valid-type]
    """Name → method whose item scores are added, in this order: a section of a method that scores
    items, or the name of one of the recipe's.
    """
    weights: dict[str, float] = {}
    """Name → weight, for parts whose weight is fixed. Validation chooses the others."""
    exclude_seen: bool | None = None
    """Leave the items of histories out of the lists that validation compares. null: as
    ``evaluate.exclude_seen``.
    """

    @property
    def methods(self) -> dict[str, Method]:
        """The parts' configs by name, less those that are names of the recipe's."""
        turned = {"permute_histories": True} if self.permute_histories else {}
        return {
            name: part.model_copy(update=turned)
            for name, part in self.parts.items()
            if isinstance(part, Method)
        }

    @property
    def grids(self) -> dict[str, Grid]:
        """The parts' candidates, by name."""
        return {name: Grid.of(part) for name, part in self.methods.items()}

    @property
    def drawn(self) -> bool:  # type: ignore[override]
        """Whether a part is."""
        return any(part.drawn for part in self.methods.values())

    @property
    def by_content(self) -> bool:  # type: ignore[override]
        """Whether a part does."""
        return any(part.by_content for part in self.methods.values())

    @property
    def semantic_ids(self) -> str | None:
        """See :class:`~p5rec.methods.base.Method`: the parts'."""
        return next(filter(None, (part.semantic_ids for part in self.methods.values())), None)

    @property
    def starts_from(self) -> str | None:
        """See :class:`~p5rec.methods.base.Method`: where a part begins."""
        return next(filter(None, (part.starts_from for part in self.methods.values())), None)

    @property
    def share(self) -> float:
        """See :class:`~p5rec.methods.base.Method`: the least of a part."""
        return min((part.share for part in self.methods.values()), default=1.0)

    def of_all_users(self) -> Self:
        """See :class:`~p5rec.methods.base.Method`."""
        whole = {name: part.of_all_users() for name, part in self.methods.items()}
        return self.model_copy(update={"parts": {**self.parts, **whole}})

    def first_seed(self, split_seed: int) -> int:
        """See :class:`~p5rec.methods.base.Method`: that of the first part."""
        first = next(iter(self.methods.values()), None)
        return split_seed if first is None else first.first_seed(split_seed)

    def within(self, methods: Mapping[str, Method], *, exclude_seen: bool) -> Self:
        """See :class:`~p5rec.methods.base.Method`."""
        able = [name for name, method in methods.items() if method.scores_items]
        parts = {}
        for part, method in self.parts.items():
            if isinstance(method, str) and method not in able:
                raise fault(
                    f"parts.{part}", f"a section, or the name of {SCORED}", repr(method),
                    did_you_mean(method, able),
                )  # fmt: skip
            parts[part] = methods[method] if isinstance(method, str) else method
        unseen = exclude_seen if self.exclude_seen is None else self.exclude_seen
        filled = self.model_copy(update={"parts": parts, "exclude_seen": unseen})
        if wrong := filled._wrong():
            raise UserError(wrong)
        return filled

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """Search for weights and settings (:func:`.search.search`); the parts saw the events."""
        unseen = self.exclude_seen is not False
        choice: Choice = WORK.get("search")(self.grids, self.weights, unseen, corpus, inputs)
        choice.save(folder)
        return Lineage.none()

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`~p5rec.methods.base.Method`: every fit that the search reads."""
        return {
            fit_name(name, fit): Part(method)
            for name, grid in self.grids.items()
            for fit, method in enumerate(grid.fitted)
        }

    def beside(self, seed: int) -> Mapping[str, Need]:
        """See :class:`~p5rec.methods.base.Method`: the same, of which the chosen ones are taken."""
        return self.needs(seed)

    def files(self, model: Path, beside: Inputs, work: Path) -> dict[str, Path]:
        """See :class:`~p5rec.methods.base.Method`: within lie the folders of the parts that have a
        weight, and the codes by which one of them names items lie there once more."""
        found, choice = super().files(model, beside, work), Choice.read(model)
        for name, method in self.settled(choice).methods.items():
            if choice.weights[name]:
                fit = self.grids[name].fits[choice.candidates[name]]
                folder = beside[fit_name(name, fit)]
                inner = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*")}
                inner[CONFIG] = work / PARTS / name / CONFIG
                write_json(inner[CONFIG], method.dump())
                files = {place: path for place, path in inner.items() if path.is_file()}
                found |= {f"{PARTS}/{name}/{place}": path for place, path in files.items()}
                found |= {at: path for at, path in files.items() if at.startswith("codes/")}
        return found

    def settled(self, choice: Choice) -> Self:
        """The same with the weights and settings that validation chose."""
        parts = {name: grid.points[choice.candidates[name]] for name, grid in self.grids.items()}
        return self.model_copy(update={"parts": parts, "weights": choice.weights})

    @property
    def chooses(self) -> bool:
        """See :class:`~p5rec.methods.base.Method`: weights, or something of a part."""
        fixed = self.weights.keys() == self.parts.keys()
        return not fixed or any(part.chooses for part in self.methods.values())

    def as_chosen(self, model: Path) -> Self:
        """See :class:`~p5rec.methods.base.Method`: the parts that have a weight, as they were
        chosen themselves."""
        choice = Choice.read(model)
        weights = {name: weight for name, weight in choice.weights.items() if weight}
        methods = self.settled(choice).methods
        parts = {name: methods[name].as_chosen(model / PARTS / name) for name in weights}
        return self.model_copy(update={"parts": parts, "weights": weights, "tune": {}})

    def continued(self, model: Path, share: float) -> Self:
        """See :class:`~p5rec.methods.base.Method`: the parts that can, go on."""
        parts = {n: part.continued(model / PARTS / n, share) for n, part in self.methods.items()}
        return self.model_copy(update={"parts": parts})

    def account(self) -> dict[str, Any]:
        """See :class:`~p5rec.methods.base.Method`: that of each part."""
        return {name: part.account() for name, part in self.methods.items()}

    def load(self, folder: Path) -> FusionPredictor:
        """See :class:`~p5rec.methods.base.Method`."""
        return self.opened(folder, download=True)

    def opened(
        self, folder: Path, ids: Path | None = None, *, download: bool = False
    ) -> FusionPredictor:
        """See :class:`~p5rec.methods.base.Method`."""
        predictor: FusionPredictor = WORK.get("open")(folder, ids, download=download)
        return predictor

    @property
    def fitted_by(self) -> tuple[Work, ...]:
        """See :class:`~p5rec.methods.base.Method`."""
        return (*super().fitted_by, WORK.target("search"), *self._parts_queried_by)

    @property
    def queried_by(self) -> tuple[Work, ...]:
        """See :class:`~p5rec.methods.base.Method`."""
        return (*super().queried_by, WORK.target("open"), *self._parts_queried_by)

    @property
    def _parts_queried_by(self) -> tuple[Work, ...]:
        return tuple(work for part in self.methods.values() for work in part.queried_by)

    def check(self, ids: Mapping[str, Any]) -> None:
        """See :class:`~p5rec.methods.base.Method`."""
        faults = []
        for name, part in self.methods.items():
            try:
                part.check(ids)
            except UserError as error:
                faults += [f"parts.{name}: {line}" for line in error.lines]
        if faults:
            raise UserError(*faults)

    def check_data(self, corpus: Corpus, asked: Collection[str]) -> Iterator[str]:
        """See :class:`~p5rec.methods.base.Method`."""
        for name, part in self.methods.items():
            yield from (f"parts.{name}: {line}" for line in part.check_data(corpus, ()))

    def plan(self, corpus: Corpus, among: Surroundings) -> Planned:
        """See :func:`.planning.plan`."""
        return plan(self.methods, corpus, among)

    def chosen(self, model: Path) -> dict[str, Any]:
        """See :class:`~p5rec.methods.base.Method`."""
        return Choice.read(model).facts()

    def describe(self) -> dict[str, Any]:
        """See :class:`~p5rec.methods.base.Method`: the whole config."""
        return {"method": self.dump()}

    @model_validator(mode="after")
    def _fuses_what_scores(self) -> Self:
        if wrong := self._wrong():
            raise ValueError(wrong)
        return self

    def _wrong(self) -> str | None:
        """What is wrong with the parts; None: nothing."""
        for name, part in self.methods.items():
            if not part.scores_items:
                return f"parts.{name}: expected {SCORED}, got a {part.kind}, which does not"
        if strange := self.weights.keys() - self.parts.keys():
            known = ", ".join(self.parts)
            return f"weights: expected a part ({known}), got {min(strange)!r}; rename it"
        if len({part.semantic_ids for part in self.methods.values()} - {None}) > 1:
            return "parts: expected the same ids in all parts, got others; set their ids"
        return None
