"""A recommender under a wish, or under none: its lists, and the terms that each item matches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from p5rec.core.errors import input_error
from p5rec.core.types import Catalog, Histories, RankedLists
from p5rec.decode.allowed import Allowed

from ..lists import to_frame
from ..protocols import Recommender
from .steer import Steered, Steering
from .wish import Wish


@dataclass(frozen=True, eq=False)
class Wished:
    """A recommender whose lists a wish moves.

    Attributes:
        recommender: with a wish, it makes lists of :func:`.steer.depth_of` items.
        wish: None: the lists are the recommender's own.
    """

    recommender: Recommender
    wish: Wish | None = None

    @cached_property
    def steering(self) -> Steering | None:
        """What the wish does to the items."""
        return None if self.wish is None else Steering.of(self.wish.terms)

    @property
    def allowed(self) -> np.ndarray | None:
        """``(N,)`` bool: the items that the wish leaves; None: all."""
        return None if self.steering is None else self.steering.allowed

    def recommend(
        self,
        histories: Histories,
        k: int,
        *,
        exclude_seen: bool = True,
        allowed: Allowed | None = None,
    ) -> RankedLists:
        """See :meth:`p5rec.recommend.protocols.Recommender.recommend`."""
        own = self.recommender
        if self.steering is not None:
            own = Steered(own, self.steering)
        return own.recommend(histories, k, exclude_seen=exclude_seen, allowed=allowed)

    def frame(self, lists: RankedLists, catalog: Catalog, user_ids: Sequence[str]) -> pl.DataFrame:
        """Lists as rows (:func:`~p5rec.recommend.lists.to_frame`).

        With a wish there is also a column ``wish``: the terms that the item matches.
        """
        frame = to_frame(lists, catalog, user_ids)
        if self.wish is None:
            return frame
        matches = self.wish.matches(lists.items[lists.items >= 0])
        return frame.with_columns(pl.Series("wish", matches, dtype=pl.String))


def check_catalog(wish: Wish, catalog: Catalog) -> None:
    """Checks that a wish was parsed over the items of ``catalog``.

    Raises:
        UserError: it was not.
    """
    if any(len(term.items) != len(catalog) for term in wish.terms):
        raise input_error(
            "wish", f"one over the model's {len(catalog)} items", "another model's",
            "parse it with this model, or pass the sentence",
        )  # fmt: skip
