"""Auxiliary views beside baskets of purchases: in histories, in no basket, and never too early."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from p5rec.core.errors import UserError
from p5rec.core.types import Corpus, Histories
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.describe import describe
from p5rec.data.matrices import frequency_matrix, history_matrix
from p5rec.data.prepare import load_corpus, prepare
from p5rec.data.split import UNUSED, each_target, histories_of, instances
from p5rec.methods.baselines.ease import Ease
from p5rec.methods.baselines.frequency import PersonalGeneralFrequency
from p5rec.methods.baselines.itemknn import ItemKnn
from p5rec.methods.baselines.tifu_knn import TifuKnn

WEIGHTS = {"view": 0.25}
BEHAVIOUR = {"column": "event", "targets": ["buy"], "weights": WEIGHTS}
# item, time, order, event: of ann, whose view of `ink` falls between two events of an order
ANN = [
    ("tea", 0, None, "view"), ("tea", 10, "o1", "buy"), ("jam", 12, "o1", "buy"),
    ("ink", 11, None, "view"), ("oil", 20, None, "view"), ("oil", 30, "o2", "buy"),
    ("ink", 30, None, "view"), ("jam", 40, None, "view"), ("tea", 50, "o3", "buy"),
    ("ink", 60, None, "view"), ("ink", 70, "o4", "buy"), ("tea", 71, "o4", "buy"),
    ("tea", 72, "o4", "buy"), ("oil", 70, None, "view"), ("oil", 80, None, "view"),
]  # fmt: skip
HISTORY = ["tea", "jam tea", "ink", "oil", "oil", "ink", "jam"]  # of ann, by moment


def write(path: Path, rows: list[tuple[Any, ...]]) -> Path:
    schema = ["user", "item", "time", "order", "event"]
    frame = pl.DataFrame(rows, schema=schema, orient="row", infer_schema_length=None)
    frame.with_columns(pl.col("time") + 1_600_000_000).write_csv(path)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rng = np.random.default_rng(2)
    rows: list[tuple[Any, ...]] = [("ann", *row) for row in ANN]
    items = ["tea", "jam", "ink", "oil", "rye"]
    for user in range(12):  # with 1 to 4 orders, and views at any time, the same one too
        for order in range(1 + user % 4):
            time = int(rng.integers(0, 9))
            bought = rng.choice(items, 3)
            rows += [(f"u{user}", item, time, f"{user}-{order}", "buy") for item in bought]
            rows += [
                (f"u{user}", rng.choice(items), t, None, "view") for t in rng.integers(0, 9, 4)
            ]
    return write(tmp_path / "log.csv", rows)


def config(file: Path, **changes: Any) -> DataConfig:
    columns = {"basket": "order"}
    settings = {"columns": columns, "split": "last-basket", "behaviour": BEHAVIOUR, **changes}
    return DataConfig(source="table", path=str(file), time_format="s", **settings)


def shop(file: Path, **changes: Any) -> Corpus:
    return build(config(file, **changes))[0]


def moments(corpus: Corpus, items: np.ndarray, numbers: np.ndarray) -> list[str]:
    """The item ids of each number, as text."""
    words = [corpus.catalog.ids[item] for item in items.tolist()]
    return [
        " ".join(sorted(word for word, own in zip(words, numbers, strict=True) if own == number))
        for number in dict.fromkeys(numbers.tolist())
    ]


def test_a_basket_has_only_purchases(file: Path) -> None:
    corpus = shop(file)
    log = corpus.interactions
    assert log.baskets is not None
    assert (np.diff(log.baskets) >= 0).all()
    own = log.users == corpus.user_ids.index("ann")
    by_moment = moments(corpus, log.items[own], log.baskets[own])
    assert by_moment == [*HISTORY, "tea", "ink", "ink tea", "oil", "oil"]
    for basket in np.unique(log.baskets):
        assert len({*log.is_target[log.baskets == basket].tolist()}) == 1
    statistics = describe(corpus)
    assert statistics["baskets"] == len(np.unique(log.baskets[log.is_target]))
    assert statistics["events_per_basket"]["max"] == 3


@pytest.mark.parametrize("split", ["last-basket", "last-basket-item"])
@pytest.mark.parametrize("split_name", ["valid", "test"])
def test_histories_have_views_before_the_target_basket(
    file: Path, split: str, split_name: str
) -> None:
    corpus = shop(file, split=split)
    log, alone = corpus.interactions, shop(_purchases(file), split=split, behaviour=None)
    logs_, targets, events = instances(log, corpus.split, split_name)
    _, flat = each_target(events)
    assert log.is_target[flat].all()
    assert _named(corpus, logs_, targets) == _named(alone, *_queries(alone, split_name))
    assert logs_.behaviours is not None
    assert not logs_.behaviours.is_target.all()
    held = corpus.split.of_event > 0
    assert log.is_target[held].all()
    for b, user in enumerate(logs_.users.tolist()):
        first = np.flatnonzero((log.users == user) & corpus.split.mask(split_name))[0]
        train = np.flatnonzero((log.users == user) & held)[0]
        own = np.flatnonzero((log.users == user) & (np.arange(len(log)) < first))
        own = own[log.is_target[own] | (own < train)]
        assert logs_[b].tolist() == log.items[own].tolist()
        assert (log.times[own] <= log.times[first]).all()
        views = own[~log.is_target[own]]
        assert (log.times[views] < log.times[train]).all()
    late = ~log.is_target & (corpus.split.of_event == UNUSED)
    assert late.any()


def _queries(corpus: Corpus, split_name: str) -> tuple[Histories, np.ndarray]:
    logs_, targets, _ = instances(corpus.interactions, corpus.split, split_name)
    return logs_, targets


def _named(corpus: Corpus, logs_: Histories, targets: np.ndarray) -> dict[str, list[str]]:
    table = targets.reshape(len(targets), -1)
    return {
        corpus.user_ids[user]: sorted(corpus.catalog.ids[item] for item in row if item >= 0)
        for user, row in zip(logs_.users.tolist(), table.tolist(), strict=True)
    }


def _purchases(file: Path) -> Path:
    path = file.with_name("bought.csv")
    pl.read_csv(file).filter(pl.col("event") == "buy").write_csv(path)
    return path


def of_ann(corpus: Corpus) -> Histories:
    """The history of ann's test instance."""
    logs_, _ = _queries(corpus, "test")
    return logs_.take(np.flatnonzero(logs_.users == corpus.user_ids.index("ann")))


def test_recency_counts_baskets_of_purchases_and_weighs_views(file: Path) -> None:
    corpus = shop(file)
    ann, n_items = of_ann(corpus), len(corpus.catalog)
    assert moments(corpus, ann.items, ann.baskets) == [*HISTORY, "tea"]
    assert ann.ages().tolist() == [3, 2, 2, 2, 2, 1, 1, 1, 0]
    assert ann.of_targets().ages().tolist() == [2, 2, 1, 0]
    at = [corpus.catalog.ids.index(item) for item in ("tea", "jam", "ink", "oil")]
    recent = history_matrix(ann, n_items, half_life=1.0).toarray()[0, at]
    assert recent.tolist() == [1, 0.25, 0.125, 0.5]
    assert history_matrix(ann, n_items).toarray()[0, at].tolist() == [1, 1, 0.25, 1]
    assert frequency_matrix(ann, n_items).toarray()[0, at].tolist() == [2, 1, 0, 1]


@pytest.mark.parametrize("method", [PersonalGeneralFrequency(half_life=2), TifuKnn(neighbours=3)])
def test_basket_methods_read_only_purchases(file: Path, method: Any) -> None:
    corpus, alone = shop(file), shop(_purchases(file), behaviour=None)
    assert corpus.catalog.ids == alone.catalog.ids
    result = [
        method.learn(each.interactions, each.split).recommend(_queries(each, "test")[0], 5).items
        for each in (corpus, alone)
    ]
    np.testing.assert_array_equal(*result)


@pytest.mark.parametrize("method", [Ease(half_life=1.0, l2=5), ItemKnn(), TifuKnn(neighbours=3)])
def test_events_after_the_first_held_out_basket_do_not_matter(file: Path, method: Any) -> None:
    corpus = shop(file)
    log, late = corpus.interactions, corpus.split.of_event == UNUSED
    assert late.any()
    changed = replace(log, items=np.where(late, 0, log.items).astype(np.int32))
    result = []
    for each in (log, changed):
        logs_, _, _ = instances(each, corpus.split, "test")
        result.append(method.learn(each, corpus.split).recommend(logs_, 3).items)
    np.testing.assert_array_equal(*result)


def test_baskets_and_behaviours_survive_saving_and_take(file: Path, tmp_path: Path) -> None:
    built = shop(file).interactions
    prepare(config(file), tmp_path / "data")
    read = load_corpus(tmp_path / "data").interactions
    np.testing.assert_array_equal(built.baskets, read.baskets)
    np.testing.assert_array_equal(built.is_target, read.is_target)
    targets = np.flatnonzero(read.is_target)
    bought = read.take(targets)
    assert built.baskets is not None
    np.testing.assert_array_equal(bought.baskets, built.baskets[targets])
    logs_ = histories_of(read)
    np.testing.assert_array_equal(logs_.baskets, built.baskets)
    np.testing.assert_array_equal(logs_.of_targets().baskets, built.baskets[targets])


def test_a_purchase_needs_a_basket_id_and_a_view_none(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", [("a", "x", 1, None, "view"), ("a", "x", 2, None, "buy")])
    with pytest.raises(UserError, match="row 3: expected a basket id in column 'order'"):
        shop(path)


def test_purchases_of_one_moment_form_a_basket(file: Path) -> None:
    corpus = shop(file, columns={}, baskets=True)
    log = corpus.interactions
    own = log.users == corpus.user_ids.index("ann")
    result = moments(corpus, log.items[own], log.baskets[own])
    assert result[:8] == ["tea", "tea", "ink", "jam", "oil", "oil", "ink", "jam"]
    assert result[8:] == ["tea", "ink", "ink", "oil", "tea", "tea", "oil"]
