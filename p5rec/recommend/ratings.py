"""Ratings from a model: every reading of one question, or of a history and an item.

Of a number in words, a model's probabilities say more than the one word that it writes: their
expected value is a rating between the words (as in Liu et al. 2023, *G-Eval*, arXiv:2303.16634,
section 2, for scores).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from p5rec.metrics.rating import LIKED
from p5rec.models.checkpoint import Bundle
from p5rec.models.ratings import RatedHistories, answer_words
from p5rec.models.words import AnswerWords, RatingWords
from p5rec.tasks.view import CorpusView

from .batching import prompt_batches
from .config import DecodeConfig

OWN = ("mean", "regression", "expectation", "words")  # what a model is taken to say, if it can


class Rated(NamedTuple):
    """What a model says of B ratings.

    Attributes:
        readings: name to ``(B,)`` float32 on the data's scale. Of the heads there are,
            ``regression``, ``class``, ``expectation`` and ``mean`` (see ``RatingHeads.read``); of
            a model whose words were not kept from ratings, ``words``, the expected value over the
            words of the scale, and ``text``, the likeliest of those words, which is what greedy
            decoding writes where each is one token and nothing else may be written.
        chances: of the readings that are means over probabilities, ``expectation`` and ``words``,
            those probabilities' sum from ``liked`` on, ``(B,)`` float32.
    """

    readings: dict[str, np.ndarray]
    chances: dict[str, np.ndarray]


def read_ratings(
    bundle: Bundle,
    prompts: Sequence[np.ndarray],
    config: DecodeConfig,
    words: RatingWords | None = None,
) -> dict[str, np.ndarray]:
    """The readings of :func:`rate`."""
    return rate(bundle, prompts, config, words=words).readings


@torch.inference_mode()
def rate(
    bundle: Bundle,
    prompts: Sequence[np.ndarray],
    config: DecodeConfig,
    liked: float = LIKED,
    words: RatingWords | None = None,
) -> Rated:
    """All that a model says of a rating at the end of B token sequences, each read once.

    Args:
        liked: the least rating of something liked.
        words: of the model's scale (:func:`scale_words`), for those who ask more than once.
    """
    model, batches = bundle.model, config.batch_tokens
    words = words or scale_words(bundle)
    scale = torch.tensor(bundle.settings.scale, dtype=torch.float32, device=model.device)
    above = scale >= liked
    rated = Rated({}, {})
    for rows, ids, mask in prompt_batches(bundle, prompts, batches, desc="rate", unit="pair"):
        state, logs = words.read(ids, mask)
        said: dict[str, Tensor] = {}
        chances: dict[str, Tensor] = {}
        if model.heads is not None:
            value, classes = model.heads(state)
            said |= model.heads.readings(value, classes)
            if classes is not None:
                chances["expectation"] = classes.exp()[:, above].sum(-1)
        if bundle.settings.heads.words:
            shares = logs.softmax(-1)
            said |= {"words": shares @ scale, "text": scale[logs.argmax(-1)]}
            chances["words"] = shares[:, above].sum(-1)
        for into, values in zip(rated, (said, chances), strict=True):
            for name, each in values.items():
                whole = into.setdefault(name, np.empty(len(prompts), dtype=np.float32))
                whole[rows] = each.cpu().numpy()
    return rated


def scale_words(bundle: Bundle) -> RatingWords:
    """The words of the ratings that a model knows."""
    return RatingWords(bundle.model, bundle.tokenizer, bundle.settings.scale)


@torch.inference_mode()
def chance_of_yes(
    bundle: Bundle, prompts: Sequence[np.ndarray], config: DecodeConfig
) -> np.ndarray:
    """How likely a model is to answer yes where nothing but yes and no is possible, ``(B,)``."""
    words = AnswerWords(bundle.model, answer_words(bundle.tokenizer, ("yes", "no")))
    found = np.empty(len(prompts), dtype=np.float32)
    batches = prompt_batches(bundle, prompts, config.batch_tokens, desc="weigh", unit="answer")
    for rows, ids, mask in batches:
        _, logs = words.read(ids, mask)
        found[rows] = logs.softmax(-1)[:, 0].cpu().numpy()
    return found


def own_reading(readings: Mapping[str, np.ndarray]) -> np.ndarray:
    """The reading that stands for the model: that of all its heads, or of its words."""
    return next(readings[name] for name in OWN if name in readings)


def rating_histories(bundle: Bundle, view: CorpusView, events: Iterable[int]) -> list[np.ndarray]:
    """Token sequences at whose end a model taught ``rating-sequence`` says the rating of B events.

    Each is what the event's user did before, the latest of it, with its ratings, and then the
    event's item.

    Args:
        bundle: taught ``rating-sequence``.
        view: the corpus, with ratings.
        events: rows of it.
    """
    histories = bundle.rated_histories()
    return [rating_history(bundle, histories, view, event) for event in events]


def rating_history(
    bundle: Bundle, histories: RatedHistories, view: CorpusView, event: int
) -> np.ndarray:
    """One of :func:`rating_histories`, as ``histories`` writes them."""
    log, settings = view.corpus.interactions, bundle.settings
    assert log.ratings is not None, "a rating is asked of a corpus without ratings"
    past = view.past(event)[1 - settings.window :]
    ratings, rows = np.append(log.ratings[past], np.float32(np.nan)), np.append(past, event)
    known = view.item_ratings(rows) if settings.statistics else None
    return histories.write(log.items[rows], ratings, known).tokens
