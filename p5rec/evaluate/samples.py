"""Answers to look at: some that are right and some that are wrong, drawn and not picked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from p5rec.core.rng import by_key
from p5rec.core.types import Corpus, RankedLists
from p5rec.data.split import cases
from p5rec.metrics.ranking import hits
from p5rec.metrics.text import groundedness
from p5rec.tasks.literal import squeeze
from p5rec.tasks.predictions import Choices, Listed, Predictions, RankedItems, Texts, Verdicts
from p5rec.tasks.view import CorpusView

from .families import verdicts
from .measure import attribute_values
from .schema import Sample, SplitName

SHOWN = 10  # places of a list; the right item among them is a hit
NO_ITEM = "(no item of the catalogue)"
LATEST = 5  # titles of the history


def draw(right: np.ndarray | None, n: int, keys: np.ndarray, seed: int, *names: str) -> list[int]:
    """``n`` of all cases: half of them right ones, as far as there are, the others wrong.

    The order in which cases are tried depends on their keys, the seed and ``names`` alone, so
    methods that answered the same questions tend to show the same ones.

    Args:
        right: ``(B,)`` bool; None where no answer is right or wrong.
        n: cases wanted.
        keys: ``(B,)`` uint64 of the cases.
        seed: of the draw.
        *names: what the cases are.
    """
    order = by_key(keys, seed, "samples", *names)
    if right is None:
        return sorted(order[:n].tolist())
    hits, misses = order[right[order]], order[~right[order]]
    some = max(min(n // 2, len(hits)), n - len(misses))
    return [*sorted(hits[:some].tolist()), *sorted(misses[: n - some].tolist())]


def list_samples(
    name: str, lists: RankedLists, corpus: Corpus, n: int, seed: int, split_name: SplitName = "test"
) -> list[Sample]:
    """Drawn lists beside the users' latest titles and what came next, hits before misses."""
    histories, targets, _ = cases(corpus.interactions, corpus.split, split_name)
    titles, latest = corpus.catalog.titles, histories.tail(LATEST)
    places = _places(lists.items, targets)
    wanted = targets if targets.ndim == 2 else targets[:, None]
    keys = corpus.interactions.user_keys[histories.users]
    rows = draw(places <= SHOWN, n, keys, seed, split_name)
    return [
        Sample(
            kind="ranked list",
            method=name,
            asked={
                "user": corpus.user_ids[lists.users[row]],
                "latest": "; ".join(titles[i] for i in latest[row]),
            },
            expected="; ".join(titles[i] for i in wanted[row] if i >= 0),
            right=bool(places[row] <= SHOWN),
            **_looked_up(lists.items[row], int(places[row]), titles),
        )
        for row in rows
    ]


def family_samples(
    name: str, asked: Predictions, view: CorpusView, n: int, seed: int
) -> list[Sample]:
    """Drawn answers to a family's questions, right ones before wrong ones.

    A text about an item alone is right where it is the expected one; any other text where all the
    attributes that it names are its item's. A rating is more or less near, so none is right.
    """
    users, right = view.corpus.user_ids, RIGHT.get(type(asked), _unjudged)(asked, view)
    log, events = view.corpus.interactions, np.array(asked.events, dtype=np.int64)
    keys = log.item_keys[np.array(asked.items, dtype=np.int64)]
    keys[events >= 0] = log.event_keys[events[events >= 0]]
    told = _listed if isinstance(asked, Listed) else _said
    shown = []
    for row in draw(right, n, keys, seed, asked.task):
        question = {"user": users[asked.users[row]]} if asked.users[row] >= 0 else {}
        found = told(asked, view.names.titles, row)
        shown.append(
            Sample(
                kind=asked.family,
                method=name,
                asked={**question, **found.pop("asked")},
                right=None if right is None else bool(right[row]),
                **found,
            )
        )
    return shown


def _listed(asked: Any, titles: Sequence[str], row: int) -> dict[str, Any]:
    """What a sample says of the list that answers a question."""
    items, target = np.array(asked.lists[row], dtype=np.int64), asked.items[row]
    (place,) = _places(items[None], np.array([target])).tolist()
    return {"asked": {}, "expected": titles[target], **_looked_up(items, place, titles)}


def _said(asked: Any, titles: Sequence[str], row: int) -> dict[str, Any]:
    """What a sample says of the text that answers a question, or of the numbers."""
    return {
        "asked": {"item": titles[asked.items[row]]},
        "expected": asked.expected[row],
        "answer": asked.shown(row),
    }


def _unjudged(asked: Any, view: CorpusView) -> None:
    return None


def _in_list(asked: Any, view: CorpusView, within: int) -> np.ndarray:
    return _places(np.array(asked.lists), np.array(asked.items)) <= within


def _right_verdicts(asked: Any, view: CorpusView) -> np.ndarray:
    return verdicts(asked) == 1


def _right_texts(asked: Any, view: CorpusView) -> np.ndarray:
    exact = np.array(
        [squeeze(a) == squeeze(b) for a, b in zip(asked.texts, asked.expected, strict=True)]
    )
    facts = attribute_values(view.corpus.catalog)
    grounded, named = groundedness(asked.texts, np.array(asked.items), facts).T
    written = np.array([bool(text.strip()) for text in asked.texts])
    return np.where(np.array(asked.users) < 0, exact, written & (grounded == named))


# a type of predictions → ``(B,)`` bool, which are right; a type that is not here is never so
RIGHT: Mapping[type[Predictions], Callable[[Any, CorpusView], np.ndarray | None]] = {
    RankedItems: partial(_in_list, within=SHOWN),
    Choices: partial(_in_list, within=1),
    Verdicts: _right_verdicts,
    Texts: _right_texts,
}


def _places(items: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """``(B,)`` the place of each target, ``(B,)`` or the first of ``(B, T)``, in its list
    ``(B, K)``, from 1; beyond any if absent."""
    absent = np.ones((len(targets), 1), dtype=bool)
    places = np.concatenate([hits(items, targets), absent], axis=1).argmax(axis=1) + 1
    return np.where(places > items.shape[1], np.iinfo(places.dtype).max, places)


def _looked_up(items: np.ndarray, place: int, titles: Sequence[str]) -> dict[str, Any]:
    """What a sample says of a list ``(K,)``."""
    return {
        "answer": [titles[i] if i < len(titles) else NO_ITEM for i in items[:SHOWN] if i >= 0],
        "rank": place if place <= len(items) else None,
        "depth": len(items),
    }
