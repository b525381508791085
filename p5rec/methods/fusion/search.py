"""The search for a fusion's weights and settings, over scores of validation users.

U users, N items.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from p5rec.core.rng import sampled, tie_order
from p5rec.core.types import Corpus, Histories
from p5rec.data.split import instances
from p5rec.metrics.ranking import per_user
from p5rec.recommend.ranking import CELLS, rank

from ..needs import Inputs
from .choice import Choice
from .grid import Grid, fit_name
from .pooling import fused

K, METRIC = 10, "NDCG@10"
USERS = 3000  # validation users that are asked about, at most
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
FIRST = (0.0, 1.0)  # weights of the first part: the others' are relative to it
UNWEIGHED = (0.3, 1.0, 3.0)  # tried with other settings where the weight is 0
HELD = 2**25  # scores of a part that are held at a time
ROUNDS = 3  # at most, over all parts


class Point(NamedTuple):
    """Of each part a weight, and which of its candidates is taken."""

    weights: tuple[float, ...]
    taken: tuple[int, ...]

    def weighing(self, component: int, weight: float) -> Point:
        """The same with another weight of ``part``."""
        return Point(_put(self.weights, component, weight), self.taken)

    def taking(self, component: int, candidate: int) -> Point:
        """The same with another candidate of ``part``."""
        return Point(self.weights, _put(self.taken, component, candidate))


def _put(values: tuple[Any, ...], place: int, value: Any) -> tuple[Any, ...]:
    return (*values[:place], value, *values[place + 1 :])


class Scores:
    """The parts' scores for the histories of validation users.

    Of each part those of the last two candidates that were asked for are held.

    Args:
        grids: each part's candidates.
        folders: of each part, those of its fits.
        histories: U requests.
        n_items: N.
    """

    def __init__(
        self,
        grids: Sequence[Grid],
        folders: Sequence[Sequence[Path]],
        histories: Histories,
        n_items: int,
    ) -> None:
        self.grids, self.folders = grids, folders
        self.histories, self.n_items = histories, n_items
        self.held: list[dict[int, np.ndarray]] = [{} for _ in grids]

    def of(self, component: int, candidate: int) -> np.ndarray:
        """``(U, N)`` float32 (:meth:`~p5rec.methods.predictors.ScoresItems.item_logs`)."""
        held = self.held[component]
        if candidate not in held:
            for old in list(held)[:-1]:
                del held[old]
            held[candidate] = self._asked(component, candidate)
        held[candidate] = held.pop(candidate)  # the last of the two
        return held[candidate]

    def _asked(self, component: int, candidate: int) -> np.ndarray:
        grid = self.grids[component]
        predictor = grid.points[candidate].load(self.folders[component][grid.fits[candidate]])
        out = np.empty((len(self.histories), self.n_items), dtype=np.float32)
        for rows in blocks(*out.shape):
            out[rows] = predictor.item_logs(self.histories.take(rows))
        return out


class Search:
    """Points and what they are worth on validation.

    Args:
        scores: of U users.
        targets: ``(U,)`` or ``(U, T)`` their held-out items.
        tie: ``(N,)`` tie order.
        exclude_seen: leave the items of histories out.
        fixed: part → its weight, where that is not searched for.
    """

    def __init__(
        self,
        scores: Scores,
        targets: np.ndarray,
        tie: np.ndarray,
        *,
        exclude_seen: bool,
        fixed: dict[int, float],
    ) -> None:
        self.scores, self.targets, self.tie = scores, targets, tie
        self.exclude_seen, self.fixed = exclude_seen, fixed
        self.known: dict[Point, np.ndarray] = {}

    def values(self, point: Point) -> np.ndarray:
        """``(U,)`` the metric of each user."""
        taken = tuple(c if w else 0 for w, c in zip(*point, strict=True))
        point = Point(point.weights, taken)  # what a part without weight takes is all the same
        if point not in self.known:
            self.known[point] = self._measured(point)
        return self.known[point]

    def _measured(self, point: Point) -> np.ndarray:
        logs = [
            (weight, self.scores.of(component, point.taken[component]))
            for component, weight in enumerate(point.weights)
            if weight
        ]
        histories = self.scores.histories
        found = np.empty(len(histories))
        for rows in blocks(len(histories), len(self.tie)):
            summed = fused([(w, said[rows]) for w, said in logs], (len(rows), len(self.tie)))
            seen = histories.take(rows) if self.exclude_seen else None
            items, _ = rank(summed, K, self.tie, seen)
            found[rows] = per_user(items, self.targets[rows], (K,))[METRIC]
        return found

    def best(self, points: Iterable[Point]) -> Point:
        """The best of ``points``; of equal ones that with the smaller weights, then that whose
        candidates come first."""

        def worth(point: Point) -> tuple[Any, ...]:
            value = float(self.values(point).mean())
            return value, -sum(point.weights), tuple(-each for each in point.taken)

        return max((point for point in points if any(point.weights)), key=worth)

    @property
    def start(self) -> Point:
        """The first candidates; the first part alone, but for weights that are fixed."""
        n_parts = len(self.scores.grids)
        weights = tuple(
            self.fixed.get(component, float(not component)) for component in range(n_parts)
        )
        return Point(weights, (0,) * n_parts)

    def found(self) -> Point:
        """The best point that moves of one part at a time lead to, less the parts that are not
        worth their place: without which it is worse by no more than the standard error of the
        difference."""
        point = self.climbed(self.start)
        while (spare := self._spare(point)) is not None:
            self.fixed[spare] = 0.0
            point = self.climbed(point.weighing(spare, 0.0))
        return point

    def climbed(self, point: Point) -> Point:
        """The point that no move of one part makes better, or that of the last round."""
        for _ in range(ROUNDS):
            before = point
            for component in range(len(point.weights)):
                point = self._moved(point, component)
            if point == before:
                break
        return point

    def _moved(self, point: Point, component: int) -> Point:
        """The best weight and candidate of ``part``, one of its settings at a time."""
        weights = (
            [self.fixed[component]]
            if component in self.fixed
            else [*(WEIGHTS if component else FIRST)]
        )
        grid = self.scores.grids[component]
        point = self.best([point, *(point.weighing(component, weight) for weight in weights)])
        for axis in range(grid.axes if any(weights) else 0):
            others = grid.along(point.taken[component], axis)
            near = _near(point.weights[component], weights)
            moved = (
                point.weighing(component, w).taking(component, c) for c in others for w in near
            )
            point = self.best([point, *moved])
        return self.best([point, *(point.weighing(component, weight) for weight in weights)])

    def _spare(self, point: Point) -> int | None:
        """The part that is least worth its place; None: each is worth it."""
        active = [component for component, weight in enumerate(point.weights) if weight]
        losses = {}
        for component in active if len(active) > 1 else ():
            if component not in self.fixed:
                lost = self.values(point) - self.values(point.weighing(component, 0.0))
                if lost.mean() <= lost.std() / np.sqrt(len(lost)):
                    losses[component] = lost.mean()
        return min(losses, key=losses.__getitem__, default=None)


def _near(weight: float, weights: Sequence[float]) -> list[float]:
    """The weights that are tried with other settings."""
    if not weight:
        return [each for each in UNWEIGHED if each in weights]
    place = weights.index(weight)
    return [each for each in weights[max(0, place - 1) : place + 2] if each]


def blocks(n_rows: int, n_items: int) -> Iterator[np.ndarray]:
    """Row numbers, as many at a time as scores are held (:data:`CELLS`)."""
    step = max(1, CELLS // n_items)
    for start in range(0, n_rows, step):
        yield np.arange(start, min(start + step, n_rows))


def search(
    grids: Mapping[str, Grid],
    weights: Mapping[str, float],
    exclude_seen: bool,
    corpus: Corpus,
    inputs: Inputs,
) -> Choice:
    """The weights and settings of parts that validation chooses.

    Args:
        grids: the parts' candidates, by name.
        weights: those that are fixed, by name.
        exclude_seen: leave the items of histories out of the lists.
        inputs: the folders of fits, by :func:`.grid.fit_name`.
    """
    log, split = corpus.interactions, corpus.split
    histories, targets, _ = instances(log, split, "valid")
    most = min(USERS, max(1, HELD // log.n_items))
    rows = sampled(log.user_keys[histories.users], most, split.seed, "validation users")
    folders = [
        [inputs[fit_name(name, fit)] for fit in range(len(grid.fitted))]
        for name, grid in grids.items()
    ]
    scores = Scores([*grids.values()], folders, histories.take(rows), log.n_items)
    tie = tie_order(log.item_keys, split.seed)
    fixed = {component: weights[name] for component, name in enumerate(grids) if name in weights}
    looked = Search(scores, targets[rows], tie, exclude_seen=exclude_seen, fixed=fixed)
    return _chosen(looked, grids, split.seed)


def _chosen(looked: Search, grids: Mapping[str, Grid], tie_seed: int) -> Choice:
    n_parts, n_users = len(grids), len(looked.targets)
    point = looked.found() if n_users else looked.start
    alone = {}
    for component, name in enumerate(grids) if n_users else ():
        weights = tuple(float(component == other) for other in range(n_parts))
        alone[name] = float(looked.values(Point(weights, point.taken)).mean())
    named = dict(zip(grids, point.taken, strict=True))
    return Choice(
        weights=dict(zip(grids, point.weights, strict=True)),
        settings={name: grids[name].settings(taken) for name, taken in named.items()},
        candidates={name: int(taken) for name, taken in named.items()},
        tie_seed=tie_seed,
        exclude_seen=looked.exclude_seen,
        users=n_users,
        metric=METRIC,
        value=float(looked.values(point).mean()) if n_users else None,
        alone=alone,
        tried=len(looked.known),
    )
