"""A user and an item as the rating heads read them where ``dense-rating`` was taught."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from p5rec.models.checkpoint import Bundle
from p5rec.prompting.view import CorpusView


def rating_histories(bundle: Bundle, view: CorpusView, events: Iterable[int]) -> list[np.ndarray]:
    """Token sequences at whose end the heads predict the rating of B events.

    Each is what the event's user did before, the latest of it, with its ratings, and then the
    event's item.

    Args:
        bundle: taught ``dense-rating``.
        view: the corpus, with ratings.
        events: rows of it.
    """
    log, histories = view.corpus.interactions, bundle.rated_histories()
    assert log.ratings is not None, "a rating is asked of a corpus without ratings"
    written = []
    for event in events:
        past = view.past(event)[1 - bundle.settings.window :]
        ratings = np.append(log.ratings[past], np.float32(np.nan))
        written.append(histories.write(log.items[np.append(past, event)], ratings)[0])
    return written
