"""Baskets: unordered sets of events, and the splits that hold out a basket."""

from __future__ import annotations

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
from p5rec.data.split import baskets_of, each_target, histories_of, instances

# user, item, time, order: o1 and o2 of `ann` overlap in time, o2 and o3 have one time
ROWS = [
    ("ann", "tea", 10, "o1"), ("ann", "jam", 12, "o1"), ("ann", "jam", 11, "o2"),
    ("ann", "oil", 11, "o3"), ("ann", "jam", 11, "o3"), ("ann", "tea", 40, "o4"),
    ("ann", "jam", 40, "o4"), ("ann", "tea", 40, "o4"),
    ("bob", "tea", 1, "o1"), ("bob", "oil", 2, "o5"),
    ("cyd", "oil", 5, "o6"), ("cyd", "tea", 6, "o7"), ("cyd", "jam", 6, "o7"),
    ("cyd", "jam", 7, "o8"), ("cyd", "oil", 7, "o8"), ("cyd", "tea", 7, "o8"),
]  # fmt: skip


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shop") / "log.csv"
    schema = ["user", "item", "time", "order"]
    pl.DataFrame(ROWS, schema=schema, orient="row").with_columns(
        pl.col("time") + 1_600_000_000
    ).write_csv(path)
    return path


def shop(file: Path, **changes: Any) -> Corpus:
    return build(DataConfig(source="table", path=str(file), time_format="s", **changes))[0]


def named(corpus: Corpus, rows: np.ndarray) -> list[str]:
    return [corpus.catalog.ids[item] for item in rows if item >= 0]


def of_user(corpus: Corpus, user: str) -> list[tuple[int, set[str], int]]:
    """Time, items and split of each of a user's baskets, in order."""
    log, row = corpus.interactions, corpus.user_ids.index(user)
    assert log.baskets is not None
    own = np.flatnonzero(log.users == row)
    result = []
    for basket in dict.fromkeys(log.baskets[own].tolist()):
        at = own[log.baskets[own] == basket]
        assert (np.diff(at) == 1).all()
        (time,), (split,) = set(log.times[at].tolist()), set(corpus.split.of_event[at].tolist())
        result.append((time - 1_600_000_000, set(named(corpus, log.items[at])), split))
    return result


ORDERS = {"columns": {"basket": "order"}, "split": "last-basket"}


def test_orders_are_baskets_and_have_the_time_of_their_first_event(file: Path) -> None:
    corpus = shop(file, **ORDERS)
    ann = of_user(corpus, "ann")
    assert ann[0] == (10, {"tea", "jam"}, 0)
    assert sorted(ann[1:3], key=lambda basket: len(basket[1])) in (
        [(11, {"jam"}, 0), (11, {"oil", "jam"}, 1)],
        [(11, {"jam"}, 1), (11, {"oil", "jam"}, 0)],
    )
    assert ann[3] == (40, {"tea", "jam"}, 2)
    assert of_user(corpus, "bob") == [(1, {"tea"}, 0), (2, {"oil"}, 0)]
    assert [split for _, _, split in of_user(corpus, "cyd")] == [0, 1, 2]
    assert (np.diff(corpus.interactions.baskets) >= 0).all()


def test_a_moment_is_a_basket_without_a_basket_column(file: Path) -> None:
    corpus = shop(file, split="last-basket")
    assert [(time, items) for time, items, _ in of_user(corpus, "ann")] == [
        (10, {"tea"}), (11, {"jam", "oil"}), (12, {"jam"}), (40, {"tea", "jam"}),
    ]  # fmt: skip
    assert describe(corpus)["baskets"] == 9


def test_baskets_are_off_by_default(file: Path) -> None:
    plain = shop(file)
    assert plain.interactions.baskets is None
    assert plain.interactions.moments is plain.interactions.times
    np.testing.assert_array_equal(
        baskets_of(plain.interactions), shop(file, baskets=True).interactions.baskets
    )
    assert shop(file, columns={"basket": "order"}, baskets=False).interactions.baskets is None
    with pytest.raises(ValueError, match="the split last-basket needs them"):
        DataConfig(source="table", split="last-basket", baskets=False)


@pytest.mark.parametrize("split_name", ["valid", "test"])
def test_the_target_is_the_whole_basket_and_not_in_the_history(file: Path, split_name: str) -> None:
    corpus = shop(file, **ORDERS)
    log = corpus.interactions
    histories, targets, events = instances(log, corpus.split, split_name)
    number = {"valid": 1, "test": 2}[split_name]
    for b, user in enumerate(histories.users.tolist()):
        baskets = of_user(corpus, corpus.user_ids[user])
        (wanted,) = (items for _, items, split in baskets if split == number)
        assert sorted(named(corpus, targets[b])) == sorted(wanted)
        before = [len(items) for _, items, split in baskets if split < number]
        assert np.unique(histories.baskets[histories.offsets[b] : histories.offsets[b + 1]],
                         return_counts=True)[1].tolist() == before  # fmt: skip
    requests, flat = each_target(events)
    assert (log.users[flat] == histories.users[requests]).all()
    assert (targets[targets >= 0] == log.items[flat]).all()


def test_the_target_is_one_item_of_the_basket(file: Path) -> None:
    whole, one = (shop(file, **ORDERS | {"split": f"last-basket{end}"}) for end in ("", "-item"))
    np.testing.assert_array_equal(whole.split.of_event, one.split.of_event)
    every, single = (instances(c.interactions, c.split, "test") for c in (whole, one))
    np.testing.assert_array_equal(every[0].items, single[0].items)
    assert single[1].ndim == 1
    assert all(item in row for item, row in zip(single[1], every[1], strict=True))


def test_prepared_and_loaded(file: Path, tmp_path: Path) -> None:
    config = DataConfig(source="table", path=str(file), time_format="s", **ORDERS)
    prepare(config, tmp_path)
    loaded = load_corpus(tmp_path)
    np.testing.assert_array_equal(
        loaded.interactions.baskets, shop(file, **ORDERS).interactions.baskets
    )
    histories = histories_of(loaded.interactions)
    np.testing.assert_array_equal(histories.baskets, loaded.interactions.baskets)


def test_an_order_without_an_id_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,item,time,basket\na,x,1600000000,o1\na,y,1600000001,\n")
    with pytest.raises(UserError, match="row 3: expected a basket id in column 'basket'"):
        shop(path)


def test_nobody_with_three_baskets(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user,item,time\na,x,1600000000\na,y,1600000000\na,z,1600000009\n")
    with pytest.raises(UserError, match="3 baskets"):
        shop(path, split="last-basket")


HISTORIES = Histories(
    np.arange(3, dtype=np.int32),
    np.array([4, 2, 2, 4, 0, 2, 2, 1], dtype=np.int32),
    np.array([0, 7, 7, 8]),
    baskets=np.array([3, 3, 5, 5, 5, 6, 6, 0]),
)


def test_recency_counts_baskets() -> None:
    assert HISTORIES.ages().tolist() == [2, 2, 1, 1, 1, 0, 0, 0]
    assert HISTORIES.take(np.array([2, 0])).ages().tolist() == [0, 2, 2, 1, 1, 1, 0, 0]
    assert HISTORIES.tail(3).ages().tolist() == [1, 0, 0, 0]
    weights = history_matrix(HISTORIES, 5, half_life=1.0).toarray()
    assert weights.tolist() == [[0.5, 0, 1, 0, 0.5], [0, 0, 0, 0, 0], [0, 1, 0, 0, 0]]


def test_without_baskets_each_event_counts() -> None:
    alone = Histories(HISTORIES.users, HISTORIES.items, HISTORIES.offsets)
    assert alone.ages().tolist() == [6, 5, 4, 3, 2, 1, 0, 0]


def test_frequency_counts_the_baskets_with_an_item() -> None:
    result = frequency_matrix(HISTORIES, 5).toarray()
    assert result.tolist() == [[1, 0, 3, 0, 2], [0, 0, 0, 0, 0], [0, 1, 0, 0, 0]]
    result = frequency_matrix(HISTORIES, 5, half_life=1.0).toarray()
    assert result[0].tolist() == [0.5, 0, 1.75, 0, 0.75]
