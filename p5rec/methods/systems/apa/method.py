"""APA (Hu et al. 2024, arXiv:2404.10327): an adapter for each shard of the training examples."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from p5rec.core.artefacts import Lineage
from p5rec.core.types import Corpus

from ...needs import Inputs
from .settings import WORK, ApaSettings

if TYPE_CHECKING:
    from .predictor import ApaPredictor


class Apa(ApaSettings):
    """Adapter partition and aggregation (APA) over the like/dislike task of TALLRec.

    Each shard of the training examples has its own low-rank adapter. Forgetting an event retrains
    the adapters of the shards that showed it. A prediction mixes the adapters in one pass, with
    more weight for those with smaller errors on similar validation examples.
    """

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :class:`p5rec.methods.base.Method`."""
        lineage: Lineage = WORK.get("fit")(self, folder, seed, inputs)
        return lineage

    def load(self, folder: Path) -> ApaPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        return self.open_predictor(folder, download=True)

    def open_predictor(
        self, folder: Path, ids: Path | None = None, *, download: bool = False
    ) -> ApaPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        if ids is not None:
            super().open_predictor(folder, ids)
        predictor: ApaPredictor = WORK.get("load")(self, folder, download=download)
        return predictor

    def chosen(self, model: Path) -> dict[str, Any]:
        """See :class:`p5rec.methods.base.Method`: the temperature that validation chose."""
        if not self.adapts or self.temperature is not None:
            return {}
        return {"temperature": WORK.get("temperature")(model)}

    def as_chosen(self, model: Path) -> Self:
        """See :class:`p5rec.methods.base.Method`."""
        return super().as_chosen(model).model_copy(update=self.chosen(model))

    def check_data(self, corpus: Corpus, tasks: Collection[str]) -> Iterator[str]:
        """See :class:`p5rec.methods.base.Method`: adaptive weights rest on validation events."""
        if self.adapts and not corpus.split.mask("valid").any():
            yield "weights: expected validation events for adaptive weights, got none; set uniform"
