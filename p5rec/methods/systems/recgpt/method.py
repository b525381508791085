"""RecGPT as methods: stage 1 and stage 2 of its training (Zhang et al. 2024, arXiv:2404.08675)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...baselines.sasrec import Sasrec
from .settings import PretrainingSettings, TuningSettings

if TYPE_CHECKING:
    from ...baselines.sasrec_training import SasrecPredictor


class RecgptPretraining(PretrainingSettings, Sasrec):
    """RecGPT's stage 1: next-item prediction by a causal transformer over item and user embeddings.

    A user without training events has no embedding.
    """

    @property
    def predictor(self) -> type[SasrecPredictor]:
        """See :class:`p5rec.methods.baselines.sasrec.Sasrec`."""
        from .predictor import UserPredictor

        return UserPredictor


class Recgpt(TuningSettings, Sasrec):
    """RecGPT's stage 2: histories with the model's own items woven in, and recall in two steps."""

    @property
    def predictor(self) -> type[SasrecPredictor]:
        """See :class:`p5rec.methods.baselines.sasrec.Sasrec`."""
        from .predictor import WovenPredictor

        return WovenPredictor
