"""Fits and loads click models; torch is imported then."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from p5rec.core.artefacts import Lineage
from p5rec.core.types import Corpus

from ..needs import Inputs
from .settings import ClickSettings

if TYPE_CHECKING:
    from .predictor import ClickPredictor


class ClickMethod(ClickSettings):
    """A click model."""

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :class:`p5rec.methods.base.Method`."""
        from .training import fit

        model = fit(self, corpus, seed, inputs)
        model.save(folder)
        assert model.lineage is not None
        return model.lineage

    def load(self, folder: Path) -> ClickPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        from .predictor import load

        return load(self, folder)
