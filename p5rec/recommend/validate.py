"""How well a model ranks validation items while it is being trained."""

from __future__ import annotations

from collections.abc import Callable

from p5rec.core.progress import progress_bars
from p5rec.core.rng import sampled
from p5rec.core.types import Corpus
from p5rec.data.split import instances
from p5rec.metrics import ranking
from p5rec.models.checkpoint import Bundle

from .config import DecodeConfig, settings_for
from .generative import GenerativeRecommender

SHOWN = ("HR@10", "NDCG@10")


def validator(
    corpus: Corpus, config: DecodeConfig, users: int
) -> Callable[[Bundle], dict[str, float]]:
    """Measures a bundle on the last validation item, or the basket, of at most ``users`` users.

    Returns:
        bundle → the metrics in ``SHOWN``, seen items in the lists or not as the split says;
        nothing where there is nobody to ask or the model is not taught ``next-item``, without which its
        lists mean nothing. A model with an item head is looked at by that (:func:`settings_for`).
    """
    histories, targets, _ = instances(corpus.interactions, corpus.split, "valid")
    keys = corpus.interactions.user_keys[histories.users]
    rows = sampled(keys, users, corpus.split.seed, "validation users")
    histories, targets = histories.take(rows), targets[rows]

    def figures(bundle: Bundle) -> dict[str, float]:
        if "next-item" not in bundle.settings.tasks or not len(rows):
            return {}
        quick = settings_for(config, item_head=bundle.model.item_head is not None)
        with progress_bars():
            lists = GenerativeRecommender(bundle, quick).recommend(
                histories, 10, exclude_seen=corpus.split.exclude_seen
            )
        found = ranking.per_user(lists.items, targets, (10,))
        return {name: float(found[name].mean()) for name in SHOWN}

    return figures
