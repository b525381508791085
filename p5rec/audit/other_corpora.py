"""Events of a stage that its own data lacks, looked up in the other corpora of the store.

A model may start from one that was trained on other data. Two corpora may hold the same log, one of
them as a part among others.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from p5rec.core.rng import event_keys, id_keys
from p5rec.core.types import Corpus
from p5rec.data.sources.parts import DOMAIN


def elsewhere(events: np.ndarray, own: Corpus, others: Iterable[Corpus]) -> tuple[np.ndarray, int]:
    """The events of ``own`` among events under the names of other corpora.

    Args:
        events: ``(S,)`` uint64 event keys that ``own`` lacks, ascending and unique.
        own: the data that a stage reads.
        others: the other corpora.

    Returns:
        ``(E,)`` bool over the events of ``own``; and the number of ``events`` that no corpus has.
    """
    theirs = [np.zeros(0, dtype=np.uint64)]
    for corpus in others:
        seen = np.isin(corpus.interactions.event_keys, events)
        events = np.setdiff1d(events, corpus.interactions.event_keys[seen])
        if seen.any():
            theirs.append(_purchases(corpus)[seen])
    if len(theirs) == 1:
        return np.zeros(len(own.interactions), dtype=bool), len(events)
    return np.isin(_purchases(own), np.concatenate(theirs)), len(events)


def _purchases(corpus: Corpus) -> np.ndarray:
    """``(E,)`` uint64: keys of events by user, item and occurrence, without the names of parts.

    Times are left out: beside a part that has only an order, they are positions.
    """
    log, items = corpus.interactions, corpus.catalog
    of_item = items.values(DOMAIN) if DOMAIN in items.attributes else []
    names = {name for part in of_item for name in part}
    users = _keys(corpus.user_ids, names)[log.users]
    return event_keys(users, _keys(items.ids, names)[log.items], np.zeros(len(log), dtype=np.int64))


def _keys(ids: Iterable[str], parts: set[str]) -> np.ndarray:
    """``(n,)`` uint64: the keys of ids without the prefix of their part."""
    split = (name.partition("/") for name in ids)
    return id_keys(
        rest if slash and part in parts else part + slash + rest for part, slash, rest in split
    )
