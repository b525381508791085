"""UniSRec as methods: pre-training on several domains, and tuning on one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from p5rec.core.artefacts import Lineage
from p5rec.core.types import Corpus

from ...needs import Inputs
from .settings import PretrainingSettings, TuningSettings

if TYPE_CHECKING:
    from .predictor import UnisrecPredictor


class UnisrecPretraining(PretrainingSettings):
    """Contrastive pre-training on the texts of several domains (UniSRec, Hou et al. 2022)."""

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :class:`p5rec.methods.base.Method`."""
        from .pretraining import fit

        return fit(self, corpus, folder, seed, inputs)

    def load(self, folder: Path) -> UnisrecPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        from .predictor import load

        return load(self, folder)


class Unisrec(TuningSettings):
    """Next-item prediction over item texts, tuned from a pre-trained model or trained from scratch
    (UniSRec, Hou et al. 2022)."""

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :class:`p5rec.methods.base.Method`."""
        from .tuning import fit

        return fit(self, corpus, folder, seed, inputs)

    def load(self, folder: Path) -> UnisrecPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        from .predictor import load

        return load(self, folder)
