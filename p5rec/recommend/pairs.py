"""A trained model asked about pairs of a user and an item that need not have met."""

from __future__ import annotations

import numpy as np

from p5rec.core.errors import UserError
from p5rec.core.types import Corpus, Example
from p5rec.models.checkpoint import Bundle
from p5rec.models.ratings import TASK
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.pairs import pose_pairs, with_pairs

from .answers import encode_all, write
from .capabilities import check_taught
from .config import DecodeConfig
from .ratings import own_reading, rating_histories, read_ratings


def rate_pairs(
    bundle: Bundle, corpus: Corpus, users: np.ndarray, items: np.ndarray, decode: DecodeConfig
) -> np.ndarray:
    """What each user would rate each item, ``(B,)`` float32 on the data's scale.

    Args:
        bundle: ready to answer.
        corpus: all of it counts as what the users did.
        users, items: ``(B,)`` rows, the b-th of each a pair.
        decode: precision and batch size.

    Raises:
        UserError: the model was taught neither ``rating`` nor ``dense-rating``, or the data have
            no ratings.
    """
    if TASK not in bundle.settings.tasks:
        questions = _questions(bundle, corpus, "rating", users, items)
        return own_reading(read_ratings(bundle, encode_all(bundle, questions), decode))
    if corpus.interactions.ratings is None:
        raise UserError("ratings: expected data with ratings, got none; map their column")
    extended, events = with_pairs(corpus, users, items)
    prompts = rating_histories(bundle, bundle.view(extended), events)
    return own_reading(read_ratings(bundle, prompts, decode))


def explain_pairs(
    bundle: Bundle, corpus: Corpus, users: np.ndarray, items: np.ndarray, decode: DecodeConfig
) -> list[str]:
    """Why each item suits each user, B texts; arguments as :func:`rate_pairs`.

    Raises:
        UserError: the model was not taught ``explanation``, or the data lack what that needs.
    """
    return write(bundle, _questions(bundle, corpus, "explanation", users, items), decode)


def _questions(
    bundle: Bundle, corpus: Corpus, family: str, users: np.ndarray, items: np.ndarray
) -> list[Example]:
    check_taught(bundle, family)
    return pose_pairs(
        corpus,
        bundle.view(corpus).names,
        PromptLibrary.from_dump(bundle.prompts),
        family,
        users,
        items,
        seed=corpus.split.seed,
        config=bundle.settings.prompts,
    )
