"""Which components of a fusion stay: more users decide than the search scores."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from p5rec.core.rng import derive_rng
from p5rec.core.types import Histories
from p5rec.methods.fusion.search import Search, Users

USERS, ITEMS, FEW = 4000, 30, 40


@dataclass(frozen=True)
class Known:
    """A predictor with given scores ``(U, N)`` of every user."""

    scores: np.ndarray

    def item_logs(self, histories: Histories) -> np.ndarray:
        return self.scores[histories.users]


@dataclass(frozen=True)
class KnownScores:
    """Scores of components without settings."""

    predictors: list[Known]
    histories: Histories

    @property
    def grids(self) -> list[Any]:
        return [SimpleNamespace(axes=0)] * len(self.predictors)

    def predictor(self, component: int, candidate: int) -> Known:
        return self.predictors[component]

    def of(self, component: int, candidate: int) -> np.ndarray:
        return self.predictors[component].item_logs(self.histories)


def weights(signal: float, pruning: int, seed: int = 0) -> tuple[float, ...]:
    """The weights found with ``FEW`` users, where the second component knows ``signal`` more of
    the target than of other items."""
    rng = derive_rng(seed, "pruning", int(100 * signal))
    targets = rng.integers(ITEMS, size=USERS)
    informed = np.arange(ITEMS) == targets[:, None]
    first = rng.normal(size=(USERS, ITEMS)) + 1.5 * informed
    second = rng.normal(size=(USERS, ITEMS)) + signal * informed
    everybody = Users(
        Histories(np.arange(USERS), np.empty(0, np.int64), np.zeros(USERS + 1, np.int64)), targets
    )
    few = everybody.take(np.arange(FEW))
    scores: Any = KnownScores([Known(first), Known(second)], few.histories)
    search = Search(
        scores, few.targets, everybody.take(np.arange(pruning)), np.arange(ITEMS),
        exclude_seen=False, fixed={},
    )  # fmt: skip
    return search.result().weights


def test_a_small_contribution_stays_where_enough_users_show_it() -> None:
    assert weights(0.3, pruning=FEW)[1] == 0
    assert weights(0.3, pruning=USERS)[1] > 0


def test_more_users_remove_what_only_chance_showed() -> None:
    assert weights(0.0, pruning=FEW, seed=2)[1] > 0
    assert weights(0.0, pruning=USERS, seed=2)[1] == 0
