"""Ranked lists of a model's requests as a frame, under a wish or under none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from p5rec.core.types import Catalog, RankedLists
from p5rec.decode.allowed import Allowed
from p5rec.recommend.requests import check_items_left
from p5rec.recommend.steering.steer import depth_of
from p5rec.recommend.steering.wished import Wished, check_catalog
from p5rec.tasks.wishes.wish import Term, Wish

from .queries import Requests

if TYPE_CHECKING:
    from .profiles import Profiles


@dataclass(frozen=True, eq=False)
class Wishes:
    """What moves the lists of a call.

    Attributes:
        wish: of all requests; None: there is none.
        profiles: what people wrote; None: it does not count.
    """

    wish: Wish | None = None
    profiles: Profiles | None = None

    def of_each(self, names: Sequence[str]) -> list[tuple[Term, ...]] | None:
        """The terms of each request by name; None: all have those of the wish.

        Where the wish contradicts a profile, the wish counts.
        """
        if self.profiles is None:
            return None
        from p5rec.recommend.people.profile import preferred

        terms = () if self.wish is None else self.wish.terms
        return [preferred(self.profiles.terms(name), terms) for name in names]


def ranked_frame(
    predictor: Callable[[int], Any],
    catalog: Catalog,
    requests: Requests,
    k: int,
    allowed: Allowed | None,
    wishes: Wishes,
    *,
    exclude_seen: bool,
) -> pl.DataFrame:
    """Rows ``user``, ``rank``, ``item``, ``title``, ``score``, with a wish also ``wish``.

    Args:
        predictor: length of the lists that it must make → the recommender.
        catalog: its items.
        requests: B requests.
        k: length of each list.
        allowed: the allowed items; None: all.
        wishes: move the lists.
        exclude_seen: lists leave out the items of histories.

    Raises:
        UserError: no item is left for a request, or the wish is about other items.
    """
    histories, names = requests.histories, requests.names
    each = wishes.of_each(names)
    check_catalog(() if wishes.wish is None else wishes.wish.terms, catalog)
    check_catalog(chain.from_iterable(each or ()), catalog)
    own = wishes.wish is None and each is None
    recommender = Wished(predictor(k if own else depth_of(k)), wishes.wish, each)
    if recommender.steering is not None:
        allowed = recommender.steering.restrict(allowed)
    if allowed is not None:
        check_items_left(allowed, histories, names, len(catalog), exclude_seen=exclude_seen)
    lists = recommender.recommend(histories, k, exclude_seen=exclude_seen, allowed=allowed)
    named = RankedLists(np.arange(len(names)), lists.items, lists.scores)
    return recommender.frame(named, catalog, names)
