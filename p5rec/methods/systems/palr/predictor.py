"""PALR as a recommender: candidates, their order, and the fusion of both ranks.

B requests, M candidates, K list length.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage, read_json
from p5rec.core.types import Histories, RankedLists
from p5rec.decode.allowed import Allowed
from p5rec.models.checkpoint import load_bundle
from p5rec.recommend.protocols import Recommender

from ...folder import ITEMS, read_method
from .choice import read_choice, read_weight
from .profiles import Profiles
from .ranker import ListRanker, Ordered, random_order
from .settings import RETRIEVER, PalrSettings

CONSTANT = 60  # of reciprocal rank fusion (Cormack et al., SIGIR 2009)


@dataclass(frozen=True, eq=False)
class Retrieved:
    """B requests with candidates in two orders.

    Attributes:
        lists: the retriever's ``(B, M')`` lists, M' at least M.
        ordered: the order of the first M.
    """

    lists: RankedLists
    ordered: Ordered

    def fused(self, weight: float, k: int) -> RankedLists:
        """``(B, k)`` lists: the candidates by reciprocal rank fusion, then the retriever's others.

        Args:
            weight: of the retriever's ranks.
        seed: of random orders.
        """
        items = self.lists.items
        own = np.broadcast_to(np.arange(items.shape[1]), items.shape)
        other = own.copy()
        other[:, : self.ordered.ranks.shape[1]] = self.ordered.ranks
        scores = weight / (CONSTANT + 1.0 + own) + (1 - weight) / (CONSTANT + 1.0 + other)
        scores = np.where(items >= 0, scores, -np.inf).astype(np.float32)
        best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        cost = {"requests": self.ordered.requests, "tokens": self.ordered.tokens}
        return RankedLists(
            self.lists.users,
            np.take_along_axis(items, best, axis=1),
            np.take_along_axis(scores, best, axis=1),
            cost if self.ordered.requests else {},
        )


@dataclass(frozen=True, eq=False)
class PalrPredictor:
    """PALR, fitted.

    Attributes:
        settings: of the method.
        retriever: finds the candidates.
        ranker: orders them; None: the order is random.
        weight: of the retriever's ranks.
        seed: of random orders.
        lineage: None: the folder's manifest has it.
    """

    settings: PalrSettings
    retriever: Recommender
    ranker: ListRanker | None
    weight: float
    seed: int
    lineage: Lineage | None = None

    def retrieve(
        self, histories: Histories, k: int, *, exclude_seen: bool, allowed: Allowed | None = None
    ) -> Retrieved:
        """The candidates of B requests, and the retriever's next best up to ``k`` items."""
        lists = self.retriever.recommend(
            histories,
            max(k, self.settings.candidates),
            exclude_seen=exclude_seen,
            allowed=allowed,
        )
        candidates = lists.items[:, : self.settings.candidates].astype(np.int64)
        if self.ranker is None:
            return Retrieved(lists, random_order(histories, candidates, self.seed))
        return Retrieved(lists, self.ranker.order(histories, candidates))

    def recommend(
        self,
        histories: Histories,
        k: int,
        *,
        exclude_seen: bool = True,
        allowed: Allowed | None = None,
    ) -> RankedLists:
        """See :class:`p5rec.recommend.protocols.Recommender`."""
        found = self.retrieve(histories, k, exclude_seen=exclude_seen, allowed=allowed)
        return found.fused(self.weight, k)


def open_predictor(
    settings: PalrSettings,
    folder: Path,
    retriever: Path,
    titles: list[str],
    weight: float,
    seed: int,
) -> PalrPredictor:
    """The predictor of a model in ``folder``.

    Args:
        retriever: the retriever's complete folder.
        titles: ``(N,)`` of the items.
        weight: of the retriever's ranks.
    """
    found = read_method(retriever).load(retriever)
    if settings.order == "random":
        return PalrPredictor(settings, found, None, weight, seed)
    profiles = Profiles.read(folder) if settings.profile is not None else None
    bundle = load_bundle(folder, download=True).ready(settings.precision)
    ranker = ListRanker(bundle, settings, titles, profiles, seed)
    return PalrPredictor(settings, found, ranker, weight, seed)


def load(settings: PalrSettings, folder: Path) -> PalrPredictor:
    """The predictor in a complete folder."""
    weight = read_weight(folder) if settings.weight is None else settings.weight
    titles = read_json(folder / ITEMS)["titles"]
    seed = read_choice(folder)["seed"]
    return open_predictor(settings, folder, folder / RETRIEVER, titles, weight, seed)
