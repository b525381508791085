"""RecLLM: a language model manages a conversation and calls the tools of a recommender."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p5rec.backbones.registry import BACKBONES
from p5rec.core.artefacts import Lineage, digest
from p5rec.core.code import Work
from p5rec.core.registry import Registry
from p5rec.core.types import Corpus
from p5rec.tasks.registry import TASKS
from p5rec.tasks.wishes.lexicon import shipped_lexicon
from p5rec.train.learner import training_prompts

from ...needs import Inputs
from .settings import REASONS, TASK, RecllmSettings

if TYPE_CHECKING:
    from .predictor import RecllmPredictor

WORK = Registry(
    "work of RecLLM",
    {
        "fit": "p5rec.methods.systems.recllm.fitting:fit",
        "load": "p5rec.methods.systems.recllm.predictor:load",
    },
)


class Recllm(RecllmSettings):
    """RecLLM (Friedman et al. 2023, arXiv:2305.07961).

    A language model reads what a user says, writes the user's wishes as a state, and calls tools
    until it asks a question or recommends.
    """

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :class:`p5rec.methods.base.Method`."""
        lineage: Lineage = WORK.get("fit")(self, corpus, folder, seed)
        return lineage

    def load(self, folder: Path) -> RecllmPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        predictor: RecllmPredictor = WORK.get("load")(self, folder)
        return predictor

    @property
    def fitted_by(self) -> tuple[Work, ...]:
        """See :class:`p5rec.methods.base.Method`."""
        tasks = tuple(map(TASKS.target, (TASK, REASONS) if self.reasons else (TASK,)))
        backbone = BACKBONES.target(self.backbone.kind)
        return (*super().fitted_by, WORK.target("fit"), backbone, *tasks)

    @property
    def queried_by(self) -> tuple[Work, ...]:
        """See :class:`p5rec.methods.base.Method`."""
        return (*super().queried_by, WORK.target("load"))

    @property
    def tasks(self) -> tuple[str, ...]:
        """See :class:`p5rec.methods.base.Method`."""
        return (TASK,)

    def fit_reads(self) -> dict[str, str]:
        """See :class:`p5rec.methods.base.Method`: prompts, words of wishes, and the files of a
        backbone."""
        words = digest(shipped_lexicon().model_dump(mode="json"))
        return {**super().fit_reads(), "words": words}

    def check(self, ids: Mapping[str, Any]) -> Iterator[str]:
        """See :class:`p5rec.methods.base.Method`."""
        yield from super().check(ids)
        shown = training_prompts(self.learner(0)).get(self.template).source_fields
        if self.manager == "model" and self.understand == "heard" and "heard" not in shown:
            yield (
                f"understand heard: expected a template with {{heard}}, got {self.template}; "
                "name another one, or set understand to named"
            )

    def check_data(self, corpus: Corpus, tasks: Collection[str]) -> Iterator[str]:
        """See :class:`p5rec.methods.base.Method`."""
        if not corpus.catalog.attributes:
            yield (
                "recllm: expected attributes of the items, which a dialogue is about, got none; "
                "name some (data.items.columns.attributes)"
            )
        yield from super().check_data(corpus, tasks)
