"""Predictors shared by ten threads equal one thread bit by bit, and write nothing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tiny_models import make_bundle, scratch, some_codes

from p5rec.core import progress
from p5rec.core.types import Corpus, Histories
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.methods.registry import METHODS
from p5rec.models.bundle import Bundle
from p5rec.models.config import ItemHeadConfig
from p5rec.prompting.library import PromptLibrary
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.generative import GenerativeRecommender
from p5rec.recommend.pairs import PairExplainer, PairRater

THREADS, QUERIES, ITEMS = 10, 60, 24
TRAINED = ("next-item", "rating", "explanation")
DECODE = DecodeConfig(k=5, beams=8, max_new_tokens=4)
SEARCHES: dict[str, dict[str, Any]] = {
    "items": {"search": "item-head"},
    "beam": {"search": "beam", "item_head_weight": 0},
    "auto": {"search": "auto"},
    "sample": {"search": "sample"},
    "diverse": {"per_prefix": 1},
}

Query = Callable[[], Any]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    synthetic = {"kind": "markov", "users": 30, "items": ITEMS, "events": 8}
    return build(DataConfig(source="synthetic", synthetic=synthetic))[0]


def loaded(corpus: Corpus, **more: Any) -> Bundle:
    """A freshly loaded hybrid."""
    made = make_bundle(
        scratch(), some_codes(ITEMS), item_head=ItemHeadConfig(), tasks=TRAINED,
        scale=(1.0, 2.0, 3.0, 4.0, 5.0), max_tokens=300, **more,
    )  # fmt: skip
    prompts = PromptLibrary.load().subset_dump()
    return replace(made, item_ids=corpus.catalog.ids, prompts=prompts).ready()


def requests(number: int) -> Histories:
    rng = np.random.default_rng(number)
    lengths = rng.integers(0, 9, 1 + number % 3)
    items = rng.integers(0, ITEMS, lengths.sum()).astype(np.int32)
    return Histories(
        np.arange(len(lengths), dtype=np.int32), items, np.append(0, np.cumsum(lengths))
    )


def queries(corpus: Corpus) -> list[Query]:
    """Mixed queries of all kinds to fresh predictors."""
    bundle = loaded(corpus)
    settings = bundle.settings.model_copy(
        update={"tasks": ("rating-sequence",), "statistics": True}
    )
    lists = [
        GenerativeRecommender(bundle, DecodeConfig(k=5, beams=8, **search))
        for name, search in SEARCHES.items()
    ]
    fitted = [
        METHODS.get(kind)(**options).learn(corpus.interactions, corpus.split)
        for kind, options in (
            ("ease", {}),
            ("item-to-item", {}),
            ("sasrec", {"epochs": 1, "width": 8, "heads": 1}),
        )
    ]
    raters: list[Any] = [
        PairRater(bundle, corpus, DECODE),
        PairRater(replace(bundle, settings=settings), corpus, DECODE),
        PairExplainer(bundle, corpus, DECODE),
    ]

    def ranked(recommender: Any, number: int) -> Query:
        histories = requests(number)
        few = Allowed(allow=ItemLists.joined([[1, 5, 7, 11]] * len(histories)))
        allowed = few if number % 4 == 0 else None
        k, unseen = 1 + number % 7, number % 2 == 0

        def query() -> Any:
            results = recommender.recommend(histories, k, exclude_seen=unseen, allowed=allowed)
            return results.items.tobytes(), results.scores.tobytes()

        return query

    def predicted(predictor: Any, number: int) -> Query:
        rng = np.random.default_rng(number)
        users, items = rng.integers(0, 30, 2), rng.integers(0, ITEMS, 2)
        return lambda: np.asarray(predictor(users, items)).tolist()

    predictors = [
        *((ranked, each) for each in (*lists, *fitted)),
        *((predicted, each) for each in raters),
    ]
    return [
        make(predictor, number)
        for number in range(QUERIES)
        for make, predictor in [predictors[number % len(predictors)]]
    ]


def test_ten_threads_equal_one(corpus: Corpus, capfd: pytest.CaptureFixture[str]) -> None:
    expected = [query() for query in queries(corpus)]
    capfd.readouterr()
    fresh = queries(corpus)  # their first queries are concurrent
    capfd.readouterr()
    with ThreadPoolExecutor(THREADS) as pool:
        results = [each.result() for each in [pool.submit(query) for query in fresh]]
    assert results == expected
    assert capfd.readouterr() == ("", "")


def test_progress_bars_appear_in_the_waiting_thread(
    corpus: Corpus, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    recommender = GenerativeRecommender(loaded(corpus), DECODE)
    recommender.recommend(requests(2), 3)
    assert capfd.readouterr() == ("", "")
    with progress.progress_bars(), ThreadPoolExecutor(1) as pool:
        pool.submit(recommender.recommend, requests(2), 3).result()
        assert capfd.readouterr() == ("", "")
        recommender.recommend(requests(2), 3)
    assert "rank" in capfd.readouterr().err
