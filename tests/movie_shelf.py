"""A small catalogue of films for wishes, and a recommender with a fixed order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from p5rec.core.rng import tie_order
from p5rec.core.types import Catalog, Histories, RankedLists
from p5rec.decode.allowed import Allowed
from p5rec.recommend.ranking import rank_all

GENRES = (
    "Comedy", "Drama", "Horror", "Sci-Fi", "Thriller", "War", "Children's", "Film-Noir", "Romance",
    "Western", "Animation", "Musical",
)  # fmt: skip
SPECIAL = {0: "Star Wars (1977)", 1: "Star Trek: The Motion Picture (1979)", 2: "Alien (1979)"}


def shelf(n: int = 120) -> Catalog:
    """``n`` films: genres by row number (one, or two for every third film), years 1970 to 1999."""
    genres = [
        [*{GENRES[row % 12]: 0, **({GENRES[(row // 12 + 5) % 12]: 0} if row % 3 == 0 else {})}]
        for row in range(n)
    ]
    return Catalog(
        pa.table(
            {
                "item": [f"f{row}" for row in range(n)],
                "title": [SPECIAL.get(row, f"Film {row} ({1970 + row % 30})") for row in range(n)],
                "genres": genres,
                "year": [1970 + row % 30 for row in range(n)],
            }
        )
    )


def with_genre(catalog: Catalog, genre: str) -> np.ndarray:
    """``(N,)`` bool: the items that have ``genre``."""
    return np.array([genre in own for own in catalog.values("genres")])


@dataclass(frozen=True)
class InOrder:
    """Ranks items by row number, rotated by the request's row; all scores are negative."""

    n_items: int

    def recommend(
        self,
        histories: Histories,
        k: int,
        *,
        exclude_seen: bool = True,
        allowed: Allowed | None = None,
    ) -> RankedLists:
        def score(block: Histories) -> np.ndarray:
            rows = np.arange(self.n_items)
            return -((rows - 7 * block.users[:, None]) % self.n_items).astype(np.float32)

        tie = tie_order(np.arange(self.n_items, dtype=np.uint64), 0)
        return rank_all(score, histories, k, tie, exclude_seen=exclude_seen, allowed=allowed)


def requests(n: int) -> Histories:
    """``n`` requests; each has seen one item."""
    rows = np.arange(n, dtype=np.int32)
    return Histories(
        rows, rows % 5, np.arange(n + 1, dtype=np.int64), np.arange(n, dtype=np.uint64)
    )
