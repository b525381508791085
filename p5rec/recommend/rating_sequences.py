"""Rating prediction at the end of histories, without a prompt: the family ``rating-sequence``."""

from __future__ import annotations

from p5rec.models.bundle import Bundle
from p5rec.tasks.predictions import Predictions
from p5rec.tasks.queries import Count, sample_queries
from p5rec.tasks.rating import RATING
from p5rec.tasks.view import CorpusView

from .config import DecodeConfig
from .prediction_kinds import rating_fields
from .ratings import rating_histories

SEQUENCE_INPUT = "the history with its ratings, and the item"


def predict_at_histories(
    bundle: Bundle, view: CorpusView, split_name: str, n: Count, decode: DecodeConfig, seed: int
) -> Predictions:
    """Predicted ratings of ``n`` seeded events of a split, those of the task ``rating``.

    Args:
        bundle: trained on ``rating-sequence``.
        view: the corpus, with ratings.
        split_name: ``valid`` or ``test``.
        n: events.
        decode: precision and batch size.
        seed: of the sample of events.
    """
    queries = sample_queries(RATING.name, view, split_name, n, seed)
    prompts = rating_histories(bundle, view, queries.events)
    about = {"model_input": SEQUENCE_INPUT, "tokens": sum(map(len, prompts))}
    return queries.model_copy(update={**rating_fields(bundle, prompts, decode), **about})
