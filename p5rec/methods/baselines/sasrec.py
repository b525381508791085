"""SASRec as a method; torch is imported when one is fitted or loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from p5rec.core.artefacts import Lineage
from p5rec.core.types import Corpus, Interactions, Split

from ..needs import Inputs
from .iterative import SasrecSettings

if TYPE_CHECKING:
    from .sasrec_training import SasrecPredictor


class Sasrec(SasrecSettings):
    """A causal transformer over item embeddings (SASRec, Kang and McAuley 2018)."""

    @property
    def predictor(self) -> type[SasrecPredictor]:
        """What a fit trains."""
        from .sasrec_training import SasrecPredictor

        return SasrecPredictor

    def learn(self, interactions: Interactions, split: Split) -> SasrecPredictor:
        """See :func:`.sasrec_training.fit`."""
        from .sasrec_training import fit

        return fit(self.predictor, self, interactions, split)

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :class:`p5rec.methods.base.Method`."""
        from .sasrec_training import fit

        split = replace(corpus.split, seed=seed)
        model = fit(self.predictor, self, corpus.interactions, split, inputs.get("start"))
        model.save(folder)
        assert model.lineage is not None
        return model.lineage

    def load(self, folder: Path) -> SasrecPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        from .sasrec_training import load

        return load(self.predictor, self, folder)
