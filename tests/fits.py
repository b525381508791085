"""Fits methods on small corpora with the pipeline's stages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from p5rec.core.artefacts import Artefact, Lineage, Store
from p5rec.core.types import Corpus, ItemCodes
from p5rec.ids.files import save_codes
from p5rec.methods.base import Method
from p5rec.methods.fitted import Fitted
from p5rec.pipeline.fitting import RunContext, fit_method
from p5rec.pipeline.prepared import Prepared


@dataclass(frozen=True)
class Fits:
    """A corpus, its semantic ids, and a store for fitted methods."""

    prepared: Prepared
    ids: Artefact

    @classmethod
    def of(cls, corpus: Corpus, codes: ItemCodes, root: Path) -> Fits:
        store = Store(root, lambda _: None, 0)

        def save(folder: Path) -> Lineage:
            save_codes(codes, folder, corpus.catalog.ids)
            return Lineage.none()

        data = store.stage("data", lambda _: Lineage.none(), config={}, code=())
        return cls(Prepared(corpus, data, store), store.stage("ids", save, config={}, code=()))

    def fit(self, method: Method, **earlier: Fitted) -> Fitted:
        """Fits ``method``, which may be initialised from the ``earlier`` methods."""
        return self.fit_seeds(method, 1, **earlier)[0]

    def fit_seeds(self, method: Method, repeats: int, **earlier: Fitted) -> list[Fitted]:
        """Fits ``method`` once for each of ``repeats`` seeds."""
        ids = {method.semantic_ids or "": [self.ids]}
        context = RunContext(ids, {name: [run] for name, run in earlier.items()})
        return fit_method(method, self.prepared, context, repeats)
