"""A trained language model as a predictor, with the capabilities that it was trained for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from p5rec.core.artefacts import Lineage, read_json
from p5rec.core.errors import input_error
from p5rec.core.types import Corpus, Histories
from p5rec.models.bundle import Bundle
from p5rec.models.checkpoint import load_bundle
from p5rec.models.config import NEXT_ITEM
from p5rec.recommend.capabilities import require_output
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.generative import GenerativeRecommender

from ..folder import ITEMS

if TYPE_CHECKING:  # ranking alone does not import these
    from p5rec.recommend.joint import JointPredictor
    from p5rec.recommend.pairs import PairExplainer, PairRater
    from p5rec.recommend.serving import ServingConfig


@dataclass(frozen=True, eq=False)
class GenerativePredictor:
    """The model in a generative method's folder, ready to predict.

    Attributes:
        bundle: the model.
        decode: the search settings.
        lineage: None: the folder's manifest has it.
    """

    bundle: Bundle
    decode: DecodeConfig
    lineage: Lineage | None = None

    def predict_split(
        self, serving: ServingConfig, corpus: Corpus, split_name: str, folder: Path
    ) -> None:
        """See :func:`p5rec.recommend.model_predictions.predict_model`."""
        from p5rec.recommend.model_predictions import predict_model

        predict_model(self.bundle, self.decode, serving, corpus, split_name, folder)

    def of_pairs(self, what: str, corpus: Corpus) -> PairRater | PairExplainer:
        """A predictor for pairs of a user and an item of ``corpus``.

        Args:
            what: ``ratings`` or ``explanations``.
            corpus: the data.

        Raises:
            UserError: the model was not trained on that task.
        """
        from p5rec.recommend.pairs import PairExplainer, PairRater

        require_output(self.bundle, what)
        kind = PairRater if what == "ratings" else PairExplainer
        return kind(self.bundle, corpus, self.decode)

    def of_pairs_jointly(
        self, what: Sequence[str], corpus: Corpus, k: int
    ) -> JointPredictor | None:
        """A predictor of several things about pairs that reads each history once.

        Args:
            what: of ``ratings``, ``clicks``, ``explanations`` and ``lists``.
            corpus: the data.
            k: length of the lists.

        Returns:
            None if the model was trained without ``train.shared_history``.

        Raises:
            UserError: the model was not trained on one of the tasks.
        """
        if not self.bundle.settings.shared_history:
            return None
        from p5rec.recommend.joint import JointPredictor

        decode = self.decode.model_copy(update={"k": k})
        return JointPredictor(self.bundle, corpus, decode, what)


class RankingPredictor(GenerativePredictor):
    """A predictor that was trained to rank the catalogue."""

    @cached_property
    def recommender(self) -> GenerativeRecommender:
        """Ranks the catalogue."""
        return GenerativeRecommender(self.bundle, self.decode, self.bundle.settings.tie_seed)

    @property
    def recommend(self) -> Any:
        """See :class:`p5rec.methods.predictors.Recommends`."""
        return self.recommender.recommend


class ScoringPredictor(RankingPredictor):
    """A ranking predictor with an item head, which scores all items at once."""

    @cached_property
    def scorer(self) -> GenerativeRecommender:
        """Ranks by the item head alone."""
        decode = self.decode.model_copy(update={"search": "item-head", "per_prefix": None})
        return GenerativeRecommender(self.bundle, decode, self.bundle.settings.tie_seed)

    def item_logs(self, histories: Histories) -> np.ndarray:
        """See :class:`p5rec.methods.predictors.ScoresItems`."""
        return self.scorer.item_logs(histories)


def open_predictor(
    folder: Path, decode: DecodeConfig, ids: Path | None, *, download: bool
) -> GenerativePredictor:
    """The predictor in ``folder``.

    Args:
        ids: codes that extend the model's codes to new items; None: the model's.
        download: whether its backbone may be downloaded.

    Raises:
        UserError: see :func:`p5rec.models.checkpoint.load_bundle`; or the items of the model's
            codes differ from the folder's.
    """
    bundle = load_bundle(folder, ids, download=download)
    if ids is None and list(bundle.item_ids) != read_json(folder / ITEMS)["ids"]:
        raise input_error(
            folder / "codes", f"codes of the items in {ITEMS}", "codes of other items",
            "copy the folder again",
        )  # fmt: skip
    kind = GenerativePredictor
    if NEXT_ITEM in bundle.settings.tasks:
        kind = RankingPredictor if bundle.model.item_head is None else ScoringPredictor
    return kind(bundle.ready(decode.precision), decode)
