"""A recommender for another catalogue ranks the same items, by external ids."""

from __future__ import annotations

import numpy as np

from p5rec.core.types import NOBODY, Histories, RankedLists
from p5rec.recommend.other_items import OtherCatalogRecommender

OWN = ("a", "b", "c", "d")  # items of the recommender
DATA = ("e", "d", "b", "a")  # c left the catalogue, e is new


class Alphabet:
    """Ranks allowed items in the order of its catalogue, and records the histories."""

    def recommend(
        self, histories: Histories, k: int, *, exclude_seen: bool = True, allowed: object = None
    ) -> RankedLists:
        self.histories_read = histories
        candidates = allowed.candidates  # type: ignore[attr-defined]
        items = np.full((len(histories), k), -1)
        for b in range(len(histories)):
            seen = set(histories[b].tolist()) if exclude_seen else set()
            rows = [row for row in range(len(OWN)) if candidates[row] and row not in seen][:k]
            items[b, : len(rows)] = rows
        return RankedLists(histories.users, items, np.zeros(items.shape, np.float32))


def test_items_of_both_catalogues_are_translated() -> None:
    rows = {item: row for row, item in enumerate(DATA)}
    read = np.array([rows[item] for item in "eadee"], dtype=np.int32)
    keys, users = np.array([7, 8], np.uint64), np.array([3, 0], np.int32)
    histories = Histories(users, read, np.array([0, 3, 5]), keys, baskets=np.array([0, 0, 1, 2, 3]))
    model = Alphabet()
    lists = OtherCatalogRecommender.of(model, OWN, DATA).recommend(histories, 3)
    histories_read = model.histories_read
    assert [[OWN[row] for row in histories_read[b]] for b in range(2)] == [["a", "d"], []]
    assert histories_read.baskets is not None
    assert histories_read.baskets.tolist() == [0, 1]
    assert histories_read.users.tolist() == [NOBODY, NOBODY]
    assert histories_read.keys is keys
    named = [[DATA[row] if row >= 0 else None for row in each] for each in lists.items]
    assert named == [["b", None, None], ["a", "b", "d"]]
    assert lists.users.tolist() == [3, 0]
