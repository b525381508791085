"""KAR: knowledge of a language model as two more fields of a click model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from p5rec.core.artefacts import Lineage
from p5rec.core.types import Corpus

from ...needs import Inputs
from .settings import KarSettings

if TYPE_CHECKING:
    from ...click.predictor import ClickPredictor


class Kar(KarSettings):
    """KAR (Xi et al. 2023, arXiv:2306.10933).

    A hybrid-expert adaptor maps the stored vectors of a text about each user and of one about each
    item to two more fields of a click model. Both train together.
    """

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :class:`p5rec.methods.base.Method`."""
        from .adapting import fit

        return fit(self, corpus, seed, inputs, folder)

    def load(self, folder: Path) -> ClickPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        from .adapting import load

        return load(self, folder)
