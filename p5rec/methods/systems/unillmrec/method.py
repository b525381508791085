"""UniLLMRec: a language model recalls, ranks and re-ranks items in a tree of the catalogue."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from p5rec.core.artefacts import Lineage, write_json
from p5rec.core.code import Work
from p5rec.core.paths import files_in
from p5rec.core.registry import Registry
from p5rec.core.types import Corpus

from ...needs import Inputs
from ...plans import PlanContext, Planned
from .settings import MODEL, NOTES, VECTORS, UnillmrecSettings

if TYPE_CHECKING:
    from .predictor import UnillmrecPredictor

# imported on use; the code of each is part of the keys of the stages that use it
WORK = Registry(
    "work of UniLLMRec",
    {
        "fit": "p5rec.methods.systems.unillmrec.fitting:fit",
        "facts": "p5rec.methods.systems.unillmrec.fitting:facts",
        "notes": "p5rec.methods.systems.unillmrec.fitting:notes_of",
        "open": "p5rec.methods.systems.unillmrec.predictor:open_predictor",
    },
)


class Unillmrec(UnillmrecSettings):
    """UniLLMRec (Zhang et al. 2024, arXiv:2404.00702; LLMTreeRec, COLING 2025)."""

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """Grows the tree, and reads it once without histories. The lineage is that of the tree."""
        seen: Lineage = WORK.get("fit")(self, corpus, folder, inputs[MODEL], seed)
        return seen

    def files(self, model: Path, query_inputs: Inputs, work: Path) -> dict[str, Path]:
        """See :class:`~p5rec.methods.base.Method`: adds the language model, texts and vectors."""
        files = super().files(model, query_inputs, work)
        for name in (MODEL, VECTORS):
            if (folder := query_inputs.get(name)) is not None:
                files |= files_in(folder, f"{name}/")
        if "notes" in query_inputs:
            write_json(work / NOTES, WORK.get("notes")(query_inputs["notes"]))
            files[NOTES] = work / NOTES
        return files

    def load(self, folder: Path) -> UnillmrecPredictor:
        """See :class:`~p5rec.methods.base.Method`."""
        return self.open_predictor(folder, download=True)

    def open_predictor(
        self, folder: Path, ids: Path | None = None, *, download: bool = False
    ) -> UnillmrecPredictor:
        """See :class:`~p5rec.methods.base.Method`; the tree has the items of the fit alone."""
        if ids is not None:
            super().open_predictor(folder, ids)
        predictor: UnillmrecPredictor = WORK.get("open")(self, folder, download=download)
        return predictor

    @property
    def fitted_by(self) -> tuple[Work, ...]:
        """See :class:`~p5rec.methods.base.Method`."""
        return (*super().fitted_by, WORK.target("fit"), *self.model.queried_by)

    @property
    def queried_by(self) -> tuple[Work, ...]:
        """See :class:`~p5rec.methods.base.Method`."""
        return (*super().queried_by, WORK.target("open"), *self.model.queried_by)

    def chosen(self, model: Path) -> dict[str, Any]:
        """See :class:`~p5rec.methods.base.Method`: the size of the tree and of a prompt with all
        items."""
        facts: dict[str, Any] = WORK.get("facts")(model)
        return facts

    def check_data(self, corpus: Corpus, tasks: Collection[str]) -> Iterator[str]:
        """See :class:`~p5rec.methods.base.Method`."""
        attribute = self.model.prompts.tree.attribute
        if attribute is not None and attribute not in corpus.catalog.attributes:
            known = ", ".join(corpus.catalog.attributes) or "none"
            yield (
                f"model.prompts.tree.attribute: expected an attribute of the items ({known}), got "
                f"{attribute!r}; name one, or leave it out"
            )
        yield from (f"model: {line}" for line in self.model.check_data(corpus, ()))

    def plan(self, corpus: Corpus, among: PlanContext) -> Planned | None:
        """See :class:`~p5rec.methods.base.Method`: that of the language model."""
        plan: Planned | None = self.model.plan(corpus, among)
        return plan
