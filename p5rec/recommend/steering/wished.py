"""A recommender under wishes, or under none: its lists, and the terms that each item matches.

B requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from p5rec.core.errors import input_error
from p5rec.core.types import Catalog, Histories, RankedLists
from p5rec.decode.allowed import Allowed
from p5rec.tasks.wishes.wish import Term, Wish, matches

from ..lists import to_frame
from ..protocols import Recommender
from .steer import Steered, Steering


@dataclass(frozen=True, eq=False)
class Wished:
    """A recommender whose lists wishes move.

    Attributes:
        recommender: with wishes, it makes lists of :func:`.steer.depth_of` items.
        wish: of all requests; None: there is none.
        each: the terms of each of B requests, in place of those of ``wish``; None: all have those
            of ``wish``. Without both, the lists are the recommender's own.
    """

    recommender: Recommender
    wish: Wish | None = None
    each: Sequence[tuple[Term, ...]] | None = None

    @cached_property
    def steering(self) -> Steering | None:
        """What the wishes do to the items; None: nothing."""
        if self.each is not None and any(self.each):
            n_items = next(len(own[0].items) for own in self.each if own)
            return Steering.of_each(self.each, n_items)
        return None if self.wish is None else Steering.of(self.wish.terms)

    @property
    def allowed(self) -> np.ndarray | None:
        """``(N,)`` or ``(B, N)`` bool: the items that the wishes leave; None: all."""
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

        With wishes there is also a column ``wish``: the terms that the item matches.
        """
        frame = to_frame(lists, catalog, user_ids)
        if self.wish is None and self.each is None:
            return frame
        if self.each is None:
            found = matches(self.wish.terms if self.wish else (), lists.items[lists.items >= 0])
        else:
            pairs = zip(self.each, lists.items, strict=True)
            found = [word for own, items in pairs for word in matches(own, items[items >= 0])]
        return frame.with_columns(pl.Series("wish", found, dtype=pl.String))


def check_catalog(terms: Iterable[Term], catalog: Catalog) -> None:
    """Checks that wishes were parsed over the items of ``catalog``.

    Raises:
        UserError: they were not.
    """
    if any(len(term.items) != len(catalog) for term in terms):
        raise input_error(
            "wish", f"one over the model's {len(catalog)} items", "another model's",
            "parse it with this model, or pass the sentence",
        )  # fmt: skip
