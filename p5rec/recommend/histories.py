"""Ratings asked for at the end of histories, without a wording: the family ``rating-sequence``."""

from __future__ import annotations

from p5rec.models.checkpoint import Bundle
from p5rec.tasks.predictions import Predictions
from p5rec.tasks.questions import pose
from p5rec.tasks.rating import RATING
from p5rec.tasks.view import CorpusView

from .config import DecodeConfig
from .kinds import rating_fields
from .ratings import rating_histories

READ = "the history with its ratings, and the item"


def at_histories(
    bundle: Bundle, view: CorpusView, split_name: str, n: int, decode: DecodeConfig, seed: int
) -> Predictions:
    """What a model says of the ratings of ``n`` seeded rows of ``part``.

    The rows are those of the task ``rating``.

    Args:
        bundle: taught ``rating-sequence``.
        view: the corpus, with ratings.
        part: a held-out part.
        n: rows.
        decode: precision and batch size.
        seed: of the choice of rows.
    """
    posed = pose(RATING.name, view, split_name, n, seed)
    prompts = rating_histories(bundle, view, posed.events)
    about = {"read": READ, "tokens": sum(map(len, prompts))}
    return posed.model_copy(update={**rating_fields(bundle, prompts, decode), **about})
