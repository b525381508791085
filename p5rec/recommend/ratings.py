"""Rating estimates of a model, from a prompt or from a history and an item.

A model that writes ratings as words has several estimators. The expected value over the words'
probabilities is more precise than the most likely word, because it lies between the words (Liu et
al. 2023, *G-Eval*, arXiv:2303.16634, section 2, does the same for scores).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from p5rec.core.examples import Past
from p5rec.metrics.rating import LIKED
from p5rec.models.bundle import Bundle
from p5rec.models.ratings import RatedHistories, prefix_free_tokens
from p5rec.models.readers import Reader
from p5rec.models.scorer import prompt_reader
from p5rec.models.words import RatingWordScorer, WordScorer
from p5rec.tasks.view import CorpusView

from .batching import prompt_batches
from .config import DecodeConfig

PREFERRED = ("mean", "regression", "expectation", "words")  # the first that a model has


class RatingEstimates(NamedTuple):
    """A model's estimates of B ratings.

    Attributes:
        estimates: estimator → ``(B,)`` float32 on the data's scale. Prediction heads give
            ``regression``, ``class``, ``expectation`` and ``mean`` (see ``RatingHeads``). A model
            that is trained to write ratings gives ``words``, the expected value over the words of
            the scale, and ``text``, the most likely of those words: greedy decoding writes it where
            each word is one token and no other text is allowed.
        probabilities: estimator → ``(B,)`` float32, the probability of a rating of at least
            ``liked``; for ``expectation`` and ``words``, which are means over probabilities.
    """

    estimates: dict[str, np.ndarray]
    probabilities: dict[str, np.ndarray]


def estimate_ratings(
    bundle: Bundle,
    prompts: Sequence[np.ndarray],
    config: DecodeConfig,
    words: RatingWordScorer | None = None,
) -> dict[str, np.ndarray]:
    """The estimates of :func:`rate`."""
    return rate(bundle, prompts, config, words=words).estimates


@torch.inference_mode()
def rate(
    bundle: Bundle,
    prompts: Sequence[np.ndarray],
    config: DecodeConfig,
    liked: float = LIKED,
    words: RatingWordScorer | None = None,
) -> RatingEstimates:
    """All estimates of the rating at the end of B token sequences, in one forward pass each.

    Args:
        liked: the lowest rating that counts as liked.
        words: of the model's scale (:func:`scale_words`), for callers with several calls.
    """
    model, batches = bundle.model, config.batch_tokens
    words = words or scale_words(bundle)
    result = RatingEstimates({}, {})
    for numbers, ids, mask in prompt_batches(bundle, prompts, batches, desc="rate", unit="pair"):
        batch = rate_after(bundle, prompt_reader(model, ids, mask), words, liked)
        for collected, own in zip(result, batch, strict=True):
            for name, values in own.items():
                column = collected.setdefault(name, np.empty(len(prompts), dtype=np.float32))
                column[numbers] = values
    return result


def rate_after(
    bundle: Bundle, reader: Reader, words: RatingWordScorer, liked: float = LIKED
) -> RatingEstimates:
    """All estimates of the ratings after the prompts of ``reader``, as :func:`rate`."""
    model = bundle.model
    scale = torch.tensor(bundle.settings.scale, dtype=torch.float32, device=model.device)
    above = scale >= liked
    state, logs = words.read(reader)
    estimates: dict[str, Tensor] = {}
    probabilities: dict[str, Tensor] = {}
    if model.heads is not None:
        value, classes = model.heads(state)
        estimates |= model.heads.estimates(value, classes)
        if classes is not None:
            probabilities["expectation"] = classes.exp()[:, above].sum(-1)
    if bundle.settings.heads.words:
        shares = logs.softmax(-1)
        estimates |= {"words": shares @ scale, "text": scale[logs.argmax(-1)]}
        probabilities["words"] = shares[:, above].sum(-1)
    return RatingEstimates(*map(_arrays, (estimates, probabilities)))


def _arrays(values: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    return {name: each.cpu().numpy() for name, each in values.items()}


def scale_words(bundle: Bundle) -> RatingWordScorer:
    """The words of a model's rating scale."""
    return RatingWordScorer(bundle.model, bundle.tokenizer, bundle.settings.scale)


@torch.inference_mode()
def yes_probabilities(
    bundle: Bundle, prompts: Sequence[np.ndarray], config: DecodeConfig
) -> np.ndarray:
    """``(B,)``: the probability of yes where the model may only write yes or no."""
    words = verdict_words(bundle)
    probabilities = np.empty(len(prompts), dtype=np.float32)
    batches = prompt_batches(bundle, prompts, config.batch_tokens, desc="decide", unit="prompt")
    for numbers, ids, mask in batches:
        probabilities[numbers] = yes_after(prompt_reader(bundle.model, ids, mask), words)
    return probabilities


def yes_after(reader: Reader, words: WordScorer) -> np.ndarray:
    """``(B,)``: the probability of yes after the prompts of ``reader``.

    Args:
        words: of :func:`verdict_words`.
    """
    _, logs = words.read(reader)
    yes: np.ndarray = logs.softmax(-1)[:, 0].cpu().numpy()
    return yes


def verdict_words(bundle: Bundle) -> WordScorer:
    """The words yes and no."""
    return WordScorer(bundle.model, prefix_free_tokens(bundle.tokenizer, ("yes", "no")))


def preferred_estimate(estimates: Mapping[str, np.ndarray]) -> np.ndarray:
    """The estimate that represents the model: that of its prediction heads, or of its words."""
    return next(estimates[name] for name in PREFERRED if name in estimates)


def rating_histories(bundle: Bundle, view: CorpusView, events: Iterable[int]) -> list[np.ndarray]:
    """B token sequences whose rating a model trained on ``rating-sequence`` predicts.

    Each holds the latest earlier events of the event's user with their ratings, then the event's
    item.

    Args:
        bundle: trained on ``rating-sequence``.
        view: the corpus, with ratings.
        events: B rows of the corpus.
    """
    histories = bundle.rated_histories()
    return [rating_history(bundle, histories, view, event) for event in events]


def rating_history(
    bundle: Bundle, histories: RatedHistories, view: CorpusView, event: int
) -> np.ndarray:
    """The token sequence of one event (:func:`rating_histories`)."""
    log, settings = view.corpus.interactions, bundle.settings
    assert log.ratings is not None, "the corpus has no ratings"
    past = view.past(event)[1 - settings.window :]
    if settings.shared_history:
        item = bundle.layout.items[log.items[event]]
        return bundle.continued(Past(log.items[past], log.ratings[past]), item)
    ratings, rows = np.append(log.ratings[past], np.float32(np.nan)), np.append(past, event)
    known = view.item_ratings(rows) if settings.statistics else None
    return histories.write(log.items[rows], ratings, known).tokens
