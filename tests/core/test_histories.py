"""Ragged histories against plain Python lists."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from p5rec.core.item_codes import ItemCodes
from p5rec.core.rng import id_keys
from p5rec.core.types import Catalog, Histories, Interactions, Split

RAGGED = st.lists(st.lists(st.integers(0, 99), max_size=6), max_size=8)


def histories(rows: list[list[int]]) -> Histories:
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    items = np.array([i for row in rows for i in row], dtype=np.int32)
    return Histories(np.arange(100, 100 + len(rows), dtype=np.int32), items, offsets)


def plain(result: Histories) -> list[list[int]]:
    return [result[b].tolist() for b in range(len(result))]


@given(rows=RAGGED)
def test_lengths_and_owners(rows: list[list[int]]) -> None:
    result = histories(rows)
    assert plain(result) == rows
    assert result.lengths.tolist() == [len(row) for row in rows]
    assert result.requests().tolist() == [b for b, row in enumerate(rows) for _ in row]


@given(rows=RAGGED, data=st.data())
def test_take_is_indexing(rows: list[list[int]], data: st.DataObject) -> None:
    which = data.draw(st.lists(st.sampled_from(range(len(rows))), max_size=6)) if rows else []
    result = histories(rows).take(np.array(which, dtype=np.int64))
    assert plain(result) == [rows[b] for b in which]
    assert result.users.tolist() == [100 + b for b in which]
    assert result.requests().tolist() == [b for b, w in enumerate(which) for _ in rows[w]]


@given(rows=RAGGED, n=st.integers(0, 8))
def test_tail_keeps_the_last(rows: list[list[int]], n: int) -> None:
    result = histories(rows).tail(n)
    assert plain(result) == [row[max(0, len(row) - n) :] for row in rows]
    assert result.users.tolist() == list(range(100, 100 + len(rows)))
    assert result.offsets.dtype == np.int64


def test_offsets_delimit_the_events_of_each_user() -> None:
    users = np.array([0, 0, 2, 2, 2], dtype=np.int32)
    log = Interactions(
        users, users, users.astype(np.int64), None, id_keys(range(4)), id_keys(range(3))
    )
    assert log.offsets.tolist() == [0, 2, 2, 5, 5]


def test_flat_codes_are_numbered_across_levels() -> None:
    codes = ItemCodes(np.array([[0, 0, 1], [2, 1, 0]], dtype=np.int32), (3, 2, 4), "by hand")
    assert codes.starts.tolist() == [0, 3, 5]
    assert codes.flat.tolist() == [[0, 3, 6], [2, 4, 5]]
    assert (codes.levels, len(codes)) == (3, 2)


def test_a_catalogue_fills_titles_and_splits_values() -> None:
    table = pa.table(
        {
            "item": ["a", "b", "c"],
            "title": ["Heat", None, ""],
            "year": [1995.0, None, 1999.5],
            "genres": [["Crime", ""], None, []],
        }
    )
    catalog = Catalog(table)
    assert catalog.titles == ["Heat", "item b", "item c"]
    assert catalog.attributes == ("year", "genres")
    assert catalog.values("year") == [("1995",), (), ("1999.5",)]
    assert catalog.values("genres") == [("Crime",), (), ()]


def test_a_mask_joins_splits() -> None:
    split = Split("by hand", np.array([0, 1, 2, -1, 0], dtype=np.int8))
    assert split.mask("train").tolist() == [True, False, False, False, True]
    assert split.mask("train", "test").tolist() == [True, False, True, False, True]
