"""The candidates of training prompts: what the retriever finds before each event.

The target is never put in. A training event is left out if none of the user's next items is among
its candidates. R events, M candidates.
"""

from __future__ import annotations

import numpy as np

from p5rec.core.rng import sampled
from p5rec.core.types import Corpus
from p5rec.data.earlier_events import EarlierEvents
from p5rec.recommend.protocols import Recommender
from p5rec.tasks.lists import following, list_rows
from p5rec.tasks.view import unnamed_view


def training_candidates(
    retriever: Recommender, corpus: Corpus, most: int, within: int, rows: int, seed: int
) -> dict[int, np.ndarray]:
    """Event row → its candidates ``(M,)``, the best first, for a sample of training events.

    Args:
        retriever: finds items for a history.
        corpus: the data.
        most: M.
        within: the number of next items, one of which must be among the candidates.
        rows: most events of the sample.
        seed: of the sample.
    """
    view, log = unnamed_view(corpus), corpus.interactions
    events = list_rows(view, "train")
    events = np.sort(events[sampled(log.event_keys[events], rows, seed, "candidates")])
    histories = EarlierEvents(log, corpus.split).histories(events)
    found = retriever.recommend(histories, most, exclude_seen=corpus.split.exclude_seen).items
    out = {}
    for event, items in zip(events.tolist(), found, strict=True):
        if np.isin(following(view, event)[:within], items).any():
            out[event] = items[items >= 0].astype(np.int64)
    return out
