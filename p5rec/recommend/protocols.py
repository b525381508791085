"""The interface of a recommender.

B requests, K list length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from p5rec.core.types import Histories, RankedLists

if TYPE_CHECKING:
    from p5rec.decode.allowed import Allowed


@runtime_checkable
class Recommender(Protocol):
    """Ranks the catalogue for each request."""

    def recommend(
        self,
        histories: Histories,
        k: int,
        *,
        exclude_seen: bool = True,
        allowed: Allowed | None = None,
    ) -> RankedLists:
        """The best ``k`` items of each request.

        A request's list does not depend on the other requests.

        Args:
            histories: B requests.
            k: K, at least 1.
            exclude_seen: leave out the items of the target events in the request's own history.
            allowed: the items that may be recommended to each request.

        Returns:
            ``(B, k)`` ranked lists, padded with -1 where fewer than k items remain.
        """
        ...
