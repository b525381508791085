"""Randomly sampled predictions for the report, half of them correct where possible."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from p5rec.core.rng import by_key
from p5rec.core.types import Corpus, RankedLists
from p5rec.data.split import instances
from p5rec.metrics.ranking import hits
from p5rec.metrics.text import exact_matches, groundedness
from p5rec.tasks.literal import squeeze
from p5rec.tasks.predictions import (
    Answers,
    Choices,
    Episodes,
    Predictions,
    RankedItems,
    RankedPredictions,
    Texts,
    Verdicts,
)
from p5rec.tasks.view import CorpusView

from .families import verdicts
from .measure import attribute_values
from .schema import Sample, SplitName

DEPTH = 10  # entries of a ranked list; a target among them is a hit
NO_ITEM = "(no item of the catalogue)"
LATEST = 5  # latest titles of the history


def sample_rows(
    correct: np.ndarray | None, n: int, keys: np.ndarray, seed: int, *names: str
) -> list[int]:
    """``n`` random rows, half of them correct predictions where there are enough, then wrong ones.

    The order of the draw depends on the keys, the seed and ``names`` alone, so methods with the
    same queries tend to show the same ones.

    Args:
        correct: ``(B,)`` bool; None where predictions are neither correct nor wrong.
        n: number of rows.
        keys: ``(B,)`` uint64 keys of the rows.
        seed: seed of the sample.
        *names: further names of the random stream.
    """
    order = by_key(keys, seed, "samples", *names)
    if correct is None:
        return sorted(order[:n].tolist())
    hits, misses = order[correct[order]], order[~correct[order]]
    some = max(min(n // 2, len(hits)), n - len(misses))
    return [*sorted(hits[:some].tolist()), *sorted(misses[: n - some].tolist())]


def list_samples(
    name: str, lists: RankedLists, corpus: Corpus, n: int, seed: int, split_name: SplitName = "test"
) -> list[Sample]:
    """Random ranked lists with the users' latest titles and targets, hits before misses."""
    histories, targets, _ = instances(corpus.interactions, corpus.split, split_name)
    titles, latest = corpus.catalog.titles, histories.tail(LATEST)
    ranks = _ranks(lists.items, targets)
    wanted = targets if targets.ndim == 2 else targets[:, None]
    keys = corpus.interactions.user_keys[histories.users]
    rows = sample_rows(ranks <= DEPTH, n, keys, seed, split_name)
    return [
        Sample(
            kind="ranked list",
            method=name,
            query={
                "user": corpus.user_ids[lists.users[row]],
                "latest": "; ".join(titles[i] for i in latest[row]),
            },
            target="; ".join(titles[i] for i in wanted[row] if i >= 0),
            correct=bool(ranks[row] <= DEPTH),
            **_list_fields(lists.items[row], int(ranks[row]), titles),
        )
        for row in rows
    ]


def family_samples(
    name: str, predictions: Predictions, view: CorpusView, n: int, seed: int
) -> list[Sample]:
    """Random predictions of a prompted task, correct ones before wrong ones.

    A text about an item alone is correct where it equals the target; any other text is correct
    where every attribute that it mentions belongs to its item. Ratings are neither.
    """
    users, judge = view.corpus.user_ids, JUDGES.get(type(predictions), _unjudged)
    correct, log = judge(predictions, view), view.corpus.interactions
    events = np.array(predictions.events, dtype=np.int64)
    keys = log.item_keys[np.array(predictions.items, dtype=np.int64)]
    keys[events >= 0] = log.event_keys[events[events >= 0]]
    describe = _ranked_fields if isinstance(predictions, RankedPredictions) else _text_fields
    samples = []
    for row in sample_rows(correct, n, keys, seed, predictions.task):
        user = {"user": users[predictions.users[row]]} if predictions.users[row] >= 0 else {}
        fields = describe(predictions, view.names.titles, row)
        samples.append(
            Sample(
                kind=predictions.family,
                method=name,
                query={**user, **fields.pop("query")},
                correct=None if correct is None else bool(correct[row]),
                **fields,
            )
        )
    return samples


def _ranked_fields(predictions: Any, titles: Sequence[str], row: int) -> dict[str, Any]:
    """The fields of a sample whose prediction is a ranked list."""
    items, target = np.array(predictions.lists[row], dtype=np.int64), predictions.items[row]
    (rank,) = _ranks(items[None], np.array([target])).tolist()
    return {"query": {}, "target": titles[target], **_list_fields(items, rank, titles)}


def _text_fields(predictions: Any, titles: Sequence[str], row: int) -> dict[str, Any]:
    """The fields of a sample whose prediction is a text or a number."""
    return {
        "query": {"item": titles[predictions.items[row]]},
        "target": predictions.expected[row],
        "prediction": predictions.describe(row),
    }


def _unjudged(predictions: Any, view: CorpusView) -> None:
    return None


def _in_list(predictions: Any, view: CorpusView, within: int) -> np.ndarray:
    return _ranks(np.array(predictions.lists), np.array(predictions.items)) <= within


def _correct_verdicts(predictions: Any, view: CorpusView) -> np.ndarray:
    return verdicts(predictions) == 1


def _correct_texts(predictions: Any, view: CorpusView) -> np.ndarray:
    pairs = zip(predictions.texts, predictions.expected, strict=True)
    exact = np.array([squeeze(text) == squeeze(target) for text, target in pairs])
    facts = attribute_values(view.corpus.catalog)
    grounded, named = groundedness(predictions.texts, np.array(predictions.items), facts).T
    written = np.array([bool(text.strip()) for text in predictions.texts])
    return np.where(np.array(predictions.users) < 0, exact, written & (grounded == named))


def _correct_answers(predictions: Any, view: CorpusView) -> np.ndarray:
    return exact_matches(predictions.texts, predictions.expected) == 1


def _successes(predictions: Any, view: CorpusView) -> np.ndarray:
    return np.array(predictions.turns) > 0


# a type of predictions → ``(B,)`` bool, which are correct; other types are neither
JUDGES: Mapping[type[Predictions], Callable[[Any, CorpusView], np.ndarray | None]] = {
    RankedItems: partial(_in_list, within=DEPTH),
    Choices: partial(_in_list, within=1),
    Verdicts: _correct_verdicts,
    Texts: _correct_texts,
    Answers: _correct_answers,
    Episodes: _successes,
}


def _ranks(items: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """``(B,)`` the rank, from 1, of each target, ``(B,)`` or the first of ``(B, T)``, in its list
    ``(B, K)``; the largest integer if absent."""
    absent = np.ones((len(targets), 1), dtype=bool)
    ranks = np.concatenate([hits(items, targets), absent], axis=1).argmax(axis=1) + 1
    return np.where(ranks > items.shape[1], np.iinfo(ranks.dtype).max, ranks)


def _list_fields(items: np.ndarray, rank: int, titles: Sequence[str]) -> dict[str, Any]:
    """The fields of a sample that describe a ranked list ``(K,)``."""
    return {
        "prediction": [titles[i] if i < len(titles) else NO_ITEM for i in items[:DEPTH] if i >= 0],
        "rank": rank if rank <= len(items) else None,
        "depth": len(items),
    }
