"""PALR: a language model lists the best of a retriever's candidates."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from p5rec.core.artefacts import Lineage
from p5rec.core.code import Work
from p5rec.core.registry import Registry
from p5rec.core.types import Corpus
from p5rec.tasks.registry import TASKS
from p5rec.train.learner import training_prompts

from ...needs import Inputs
from .settings import PalrSettings

if TYPE_CHECKING:
    from .predictor import PalrPredictor

WORK = Registry(
    "work of PALR",
    {
        "fit": "p5rec.methods.systems.palr.fitting:fit",
        "load": "p5rec.methods.systems.palr.predictor:load",
    },
)


class Palr(PalrSettings):
    """PALR (Yang et al. 2023, arXiv:2305.07622).

    A retriever finds candidates. A language model reads the user's history, a profile in words and
    the candidates, and lists those that the user takes next.
    """

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :class:`p5rec.methods.base.Method`."""
        lineage: Lineage = WORK.get("fit")(self, corpus, folder, seed, inputs)
        return lineage

    def load(self, folder: Path) -> PalrPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        predictor: PalrPredictor = WORK.get("load")(self, folder)
        return predictor

    @property
    def fitted_by(self) -> tuple[Work, ...]:
        """See :class:`p5rec.methods.base.Method`."""
        library = training_prompts(self.learner(0))
        tasks = map(TASKS.target, sorted({spec.task for spec in library.specs.values()}))
        return (*super().fitted_by, WORK.target("fit"), *self.reads_with, *tasks)

    @property
    def queried_by(self) -> tuple[Work, ...]:
        """See :class:`p5rec.methods.base.Method`."""
        return (*super().queried_by, WORK.target("load"))

    def check_data(self, corpus: Corpus, tasks: Collection[str]) -> Iterator[str]:
        """See :class:`p5rec.methods.base.Method`."""
        if self.profile is not None and corpus.split.profile is None:
            got = "none, so that texts show training targets"
            yield f"profile: expected data.profile, got {got}; set it"
        yield from super().check_data(corpus, tasks)

    def chosen(self, model: Path) -> dict[str, Any]:
        """See :class:`p5rec.methods.base.Method`: the weight that validation chose."""
        from .choice import read_choice

        choice = read_choice(model)
        return {} if self.weight is not None else {k: v for k, v in choice.items() if k != "seed"}

    def as_chosen(self, model: Path) -> Self:
        """See :class:`p5rec.methods.base.Method`."""
        from .choice import read_weight

        weight = read_weight(model) if self.weight is None else self.weight
        return super().as_chosen(model).model_copy(update={"weight": weight})
