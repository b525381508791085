"""Methods in which a language model works on the lists of another method of the recipe."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import model_validator

from p5rec.backbones.registry import BACKBONES
from p5rec.core.artefacts import digest
from p5rec.core.code import Work
from p5rec.core.errors import UserError
from p5rec.core.paths import files_in
from p5rec.core.registry import Registry
from p5rec.core.types import Corpus
from p5rec.train.config import TrainConfig
from p5rec.train.learner import LearnerConfig, training_prompts

from .base import LISTS, Method
from .named import names_in, not_fixed, resolve
from .needs import Component, Inputs, Need
from .plans import PlanContext, Planned

if TYPE_CHECKING:
    from p5rec.backbones.registry import AnyBackbone


WORK = Registry("work over lists", {"plan": "p5rec.methods.over_lists_planning:plan"})


class OverLists(Method):
    """A language model, trained on prompts, over the lists of a method that ranks items.

    A subclass has the settings ``backbone`` and ``train``, and one for the other method: a section,
    or its name in the recipe.

    Attributes:
        ranking: name of this setting, of the input, and of the folder in a saved model.
    """

    ranking: ClassVar[str]
    collective = True

    if TYPE_CHECKING:
        backbone: AnyBackbone
        train: TrainConfig

    @property
    def reads_texts(self) -> str | None:
        """The recipe's texts about users that prompts show, by name; None: they show none."""
        return None

    def learner(self, seed: int) -> LearnerConfig:
        """The training of the language model under ``seed``."""
        raise NotImplementedError

    @property
    def ranker_method(self) -> Any:
        """The other method, or its name until it is resolved."""
        return getattr(self, self.ranking)

    @property
    def finder(self) -> Method | None:
        """The other method; None: its name is not resolved yet."""
        other = self.ranker_method
        return other if isinstance(other, Method) else None

    @property
    def stochastic(self) -> bool:  # type: ignore[override]
        """Whether the language model is trained, or the other method is stochastic."""
        return bool(self.train.steps) or (self.finder is not None and self.finder.stochastic)

    @property
    def semantic_ids(self) -> str | None:
        """See :class:`.base.Method`: those of the other method."""
        return None if self.finder is None else self.finder.semantic_ids

    @property
    def starts_from(self) -> str | None:
        """See :class:`.base.Method`: that of the other method."""
        return None if self.finder is None else self.finder.starts_from

    def first_seed(self, split_seed: int) -> int:
        """See :class:`.base.Method`: that of the training."""
        return self.train.seed

    def method_names(self) -> Iterator[str]:
        """See :class:`.base.Method`."""
        return names_in(self.ranker_method)

    def resolve_names(self, methods: Mapping[str, Method], *, exclude_seen: bool) -> Self:
        """See :class:`.base.Method`."""
        ranking = {name: each for name, each in methods.items() if LISTS in each.capabilities}
        expected = "a section, or the name of a method that ranks items"
        found = resolve(
            self.ranker_method, self.ranking, expected, ranking, exclude_seen=exclude_seen
        )
        filled = self.model_copy(update={self.ranking: found})
        if error := filled._error():
            raise UserError(error)
        return filled

    def query_needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`.base.Method`: the other method."""
        control = {"permute_histories": True} if self.permute_histories else {}
        other = self.ranker_method.model_copy(update=control)
        return {self.ranking: Component(self.ranking, other)}

    def plan(self, corpus: Corpus, among: PlanContext) -> Planned:
        """See :func:`.over_lists_planning.plan`."""
        planned: Planned = WORK.get("plan")(self, corpus, among)
        return planned

    def files(self, model: Path, query_inputs: Inputs, work: Path) -> dict[str, Path]:
        """See :class:`.base.Method`: adds a folder for each input of queries."""
        files = super().files(model, query_inputs, work)
        for name, folder in query_inputs.items():
            files |= files_in(folder, f"{name}/")
        return files

    @property
    def reads_with(self) -> tuple[Work, ...]:
        """The functions that open the backbone and the other method."""
        found = () if self.finder is None else self.finder.queried_by
        return (BACKBONES.target(self.backbone.kind), *found)

    @property
    def queried_by(self) -> tuple[Work, ...]:
        """See :class:`.base.Method`."""
        return (*super().queried_by, *self.reads_with)

    def fit_reads(self) -> dict[str, str]:
        """See :class:`.base.Method`: prompts, and the files of a backbone."""
        prompts = digest(training_prompts(self.learner(0)).subset_dump())
        return {"prompts": prompts, **self.backbone.fingerprint()}

    @property
    def needs_validation(self) -> bool:
        """See :class:`.base.Method`: also for the other method."""
        found = self.finder is not None and self.finder.needs_validation
        return found or super().needs_validation

    def as_chosen(self, model: Path) -> Self:
        """See :class:`.base.Method`."""
        chosen = self.ranker_method.as_chosen(model / self.ranking)
        return super().as_chosen(model).model_copy(update={self.ranking: chosen})

    def check(self, ids: Mapping[str, Any]) -> Iterator[str]:
        """See :class:`.base.Method`."""
        if self.finder is not None:
            yield from (f"{self.ranking}.{line}" for line in self.finder.check(ids))

    def check_data(self, corpus: Corpus, tasks: Collection[str]) -> Iterator[str]:
        """See :class:`.base.Method`."""
        if self.finder is not None:
            yield from (f"{self.ranking}.{line}" for line in self.finder.check_data(corpus, ()))

    @model_validator(mode="after")
    def _trains_its_own_tasks(self) -> Self:
        if self.train.tasks != TrainConfig().tasks:
            raise ValueError(f"train.tasks: expected none: a {self.kind} has its own")
        if self.train.has_validation:
            raise ValueError("train: expected steps without validation checks")
        return self

    @model_validator(mode="after")
    def _reads_lists(self) -> Self:
        if error := self._error():
            raise ValueError(error)
        return self

    def _error(self) -> str | None:
        """What is wrong with the other method, if anything."""
        if self.finder is None:
            return None
        if LISTS not in self.finder.capabilities:
            return f"{self.ranking}: expected a method that ranks items, got {self.finder.kind}"
        return not_fixed(self.finder, self.ranking)
