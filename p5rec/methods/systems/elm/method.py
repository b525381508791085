"""ELM: a language model that reads the vectors of a space; and its control."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from p5rec.backbones.registry import BACKBONES
from p5rec.core.artefacts import Lineage, digest
from p5rec.core.code import Work
from p5rec.core.paths import files_in
from p5rec.core.registry import Registry
from p5rec.core.types import Corpus
from p5rec.prompting.library import PromptLibrary
from p5rec.tasks.registry import TASKS
from p5rec.train.learner import training_prompts

from ...needs import Inputs
from .settings import TEXTS, CommonestSettings, ElmSettings, SpaceSettings

if TYPE_CHECKING:
    from .predictor import CommonestPredictor, ElmPredictor

WORK = Registry(
    "work of ELM",
    {
        "fit": "p5rec.methods.systems.elm.fitting:fit",
        "fit commonest": "p5rec.methods.systems.elm.fitting:fit_commonest",
        "load": "p5rec.methods.systems.elm.predictor:load",
        "load commonest": "p5rec.methods.systems.elm.predictor:load_commonest",
    },
)


def _with_texts(files: dict[str, Path], query_inputs: Inputs) -> dict[str, Path]:
    return files | files_in(query_inputs[TEXTS], f"{TEXTS}/")


def _tasks(method: SpaceSettings) -> tuple[Work, ...]:
    return tuple(map(TASKS.target, method.families))


class Elm(ElmSettings):
    """ELM (Tennenholtz et al. 2024, arXiv:2310.04475).

    An adapter turns a vector of a space into soft tokens of a language model, which then answers
    questions about the point.
    """

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :class:`p5rec.methods.base.Method`."""
        lineage: Lineage = WORK.get("fit")(self, corpus, folder, seed, inputs)
        return lineage

    def load(self, folder: Path) -> ElmPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        predictor: ElmPredictor = WORK.get("load")(self, folder)
        return predictor

    def files(self, model: Path, query_inputs: Inputs, work: Path) -> dict[str, Path]:
        """See :class:`p5rec.methods.base.Method`: adds the vectors of texts."""
        return _with_texts(super().files(model, query_inputs, work), query_inputs)

    @property
    def fitted_by(self) -> tuple[Work, ...]:
        """See :class:`p5rec.methods.base.Method`."""
        backbone = BACKBONES.target(self.backbone.kind)
        return (*super().fitted_by, WORK.target("fit"), backbone, *_tasks(self))

    @property
    def queried_by(self) -> tuple[Work, ...]:
        """See :class:`p5rec.methods.base.Method`."""
        backbone = BACKBONES.target(self.backbone.kind)
        return (*super().queried_by, WORK.target("load"), backbone)

    def fit_reads(self) -> dict[str, str]:
        """See :class:`p5rec.methods.base.Method`: prompts, and the files of a backbone."""
        prompts = digest(training_prompts(self.learner(0)).subset_dump())
        return {"prompts": prompts, **self.backbone.fingerprint()}


class ElmCommonest(CommonestSettings):
    """Control of ELM: the commonest training answer to each prompt, without reading the vector."""

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :class:`p5rec.methods.base.Method`."""
        lineage: Lineage = WORK.get("fit commonest")(self, corpus, folder, seed, inputs)
        return lineage

    def load(self, folder: Path) -> CommonestPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        predictor: CommonestPredictor = WORK.get("load commonest")(self, folder)
        return predictor

    def files(self, model: Path, query_inputs: Inputs, work: Path) -> dict[str, Path]:
        """See :class:`p5rec.methods.base.Method`: adds the vectors of texts."""
        return _with_texts(super().files(model, query_inputs, work), query_inputs)

    @property
    def fitted_by(self) -> tuple[Work, ...]:
        """See :class:`p5rec.methods.base.Method`."""
        return (*super().fitted_by, WORK.target("fit commonest"), *_tasks(self))

    @property
    def queried_by(self) -> tuple[Work, ...]:
        """See :class:`p5rec.methods.base.Method`."""
        return (*super().queried_by, WORK.target("load commonest"))

    def fit_reads(self) -> dict[str, str]:
        """See :class:`p5rec.methods.base.Method`: the prompts."""
        library = PromptLibrary.load()
        return {"prompts": digest([library.family(name).dump() for name in self.families])}
