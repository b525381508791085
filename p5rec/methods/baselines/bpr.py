"""BPR as a method; torch is imported when one is fitted or loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from p5rec.core.types import Interactions, Split

from .iterative import BprSettings

if TYPE_CHECKING:
    from .bpr_training import BprPredictor


class Bpr(BprSettings):
    """Matrix factorisation trained to rank pairs (BPR, Rendle et al. 2009, arXiv:1205.2618)."""

    def learn(self, interactions: Interactions, split: Split) -> BprPredictor:
        """See :func:`.bpr_training.fit`."""
        from .bpr_training import fit

        return fit(self, interactions, split)

    def load(self, folder: Path) -> BprPredictor:
        """See :class:`p5rec.methods.base.Method`."""
        from .bpr_training import load

        return load(folder)
