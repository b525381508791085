"""U-BERT's two methods; torch is imported when one is fitted or loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from p5rec.core.artefacts import Lineage
from p5rec.core.types import Corpus

from ...needs import Inputs
from .settings import FineTuningSettings, PretrainingSettings

if TYPE_CHECKING:
    from .predictor import UbertPredictor


class UbertPretraining(PretrainingSettings):
    """U-BERT: masked opinion words and the ratings behind reviews (Qiu et al. 2021)."""

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :func:`.pretraining.fit`."""
        from .pretraining import fit

        return fit(self, corpus, folder, seed)

    def load(self, folder: Path) -> UbertPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        from .predictor import load

        return load(self, folder)


class Ubert(FineTuningSettings):
    """U-BERT: ratings from the reviews of users and items (Qiu et al. 2021)."""

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :func:`.finetuning.fit`."""
        from .finetuning import fit

        return fit(self, corpus, folder, seed, inputs.get("start"))

    def load(self, folder: Path) -> UbertPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        from .predictor import load

        return load(self, folder)
