"""M6-Rec (Cui et al. 2022, arXiv:2205.08084): a language model reads users and items as texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from p5rec.core.artefacts import Lineage
from p5rec.core.types import Corpus

from ...needs import Inputs
from .settings import RetrievalSettings, ScoringSettings, ZeroShotSettings

if TYPE_CHECKING:
    from .retrieval import RetrievalPredictor
    from .scoring import ScoringPredictor
    from .zero_shot import ZeroShotPredictor


class M6Rec(ScoringSettings):
    """Click prediction over texts alone, by option tuning with late interaction (M6-Rec)."""

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :class:`p5rec.methods.base.Method`."""
        from .scoring import fit

        return fit(self, corpus, folder, seed, inputs)

    def load(self, folder: Path) -> ScoringPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        from .scoring import load

        return load(self, folder)


class M6RecRetrieval(RetrievalSettings):
    """Retrieval over texts alone, by two projections of the states of a language model (M6-Rec)."""

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :class:`p5rec.methods.base.Method`."""
        from .retrieval import fit

        return fit(self, corpus, folder, seed, inputs)

    def load(self, folder: Path) -> RetrievalPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        from .retrieval import load

        return load(self, folder)


class M6RecZeroShot(ZeroShotSettings):
    """Click scores of a language model without training, by the likelihood of titles (M6-Rec)."""

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :class:`p5rec.methods.base.Method`."""
        from .zero_shot import fit

        return fit(self, corpus, folder)

    def load(self, folder: Path) -> ZeroShotPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        return self.open_predictor(folder, download=True)

    def open_predictor(
        self, folder: Path, ids: Path | None = None, *, download: bool = False
    ) -> ZeroShotPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        from .zero_shot import load

        if ids is not None:
            super().open_predictor(folder, ids)
        return load(self, folder, download=download)
