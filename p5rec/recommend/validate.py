"""Ranking metrics on validation events during training."""

from __future__ import annotations

from collections.abc import Callable

from p5rec.core.progress import progress_bars
from p5rec.core.rng import sampled
from p5rec.core.types import Corpus
from p5rec.data.split import instances
from p5rec.metrics import ranking
from p5rec.models.bundle import Bundle

from .config import DecodeConfig, settings_for
from .generative import GenerativeRecommender

METRICS = ("HR@10", "NDCG@10")


def validator(
    corpus: Corpus, config: DecodeConfig, users: int
) -> Callable[[Bundle], dict[str, float]]:
    """The validation check of a training run.

    It evaluates on the last validation item, or the validation basket, of at most ``users`` users.
    The split says whether lists leave out seen items. A model with an item head ranks by it
    (:func:`settings_for`).

    Returns:
        bundle → the metrics in ``METRICS``; empty if there are no validation users, or if the model
        is not trained on ``next-item``.
    """
    histories, targets, _ = instances(corpus.interactions, corpus.split, "valid")
    keys = corpus.interactions.user_keys[histories.users]
    rows = sampled(keys, users, corpus.split.seed, "validation users")
    histories, targets = histories.take(rows), targets[rows]

    def metrics(bundle: Bundle) -> dict[str, float]:
        if "next-item" not in bundle.settings.tasks or not len(rows):
            return {}
        decode = settings_for(config, item_head=bundle.model.item_head is not None)
        with progress_bars():
            lists = GenerativeRecommender(bundle, decode).recommend(
                histories, 10, exclude_seen=corpus.split.exclude_seen
            )
        per_user = ranking.per_user(lists.items, targets, (10,))
        return {name: float(per_user[name].mean()) for name in METRICS}

    return metrics
