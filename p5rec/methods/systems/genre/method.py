"""GENRE (Liu et al. 2024, arXiv:2305.06566): a language model enriches short histories."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from p5rec.core.artefacts import Lineage
from p5rec.core.types import Corpus

from ...needs import Inputs
from .settings import GenreSettings

if TYPE_CHECKING:
    from ...click.predictor import ClickPredictor


class Genre(GenreSettings):
    """GENRE's recommender: a DIN that reads texts of a language model as vectors.

    Users have no ids: a user is the first few events, the synthetic items and the profile.
    Synthetic items are further events of the history, with a vector but without an id.
    """

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :class:`p5rec.methods.base.Method`."""
        from .fitting import fit

        return fit(self, corpus, seed, inputs, folder)

    def load(self, folder: Path) -> ClickPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        from .fitting import load

        return load(self, folder)
