"""The search for a fusion's weights and settings, on scores of validation users.

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
from ..predictors import ScoresItems
from .choice import Choice
from .grid import Grid, fit_name
from .pooling import fused

K, METRIC = 10, "NDCG@10"
USERS = 3000  # validation users of the search, at most
PRUNING_USERS = 10_000  # validation users that decide which components contribute, at most
WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
FIRST = (0.0, 1.0)  # weights of the first component: the others' are relative to it
UNWEIGHTED = (0.3, 1.0, 3.0)  # tried with other settings where the weight is 0
HELD = 2**25  # scores of a component in memory at a time
ROUNDS = 3  # over all components, at most


class Point(NamedTuple):
    """The weight of each component and the number of its candidate."""

    weights: tuple[float, ...]
    taken: tuple[int, ...]

    def weighing(self, component: int, weight: float) -> Point:
        """The point with another weight of ``component``."""
        return Point(_put(self.weights, component, weight), self.taken)

    def taking(self, component: int, candidate: int) -> Point:
        """The point with another candidate of ``component``."""
        return Point(self.weights, _put(self.taken, component, candidate))


def _put(values: tuple[Any, ...], index: int, value: Any) -> tuple[Any, ...]:
    return (*values[:index], value, *values[index + 1 :])


class Scores:
    """The components' scores for the histories of validation users.

    It caches the scores of the last two candidates of each component.

    Args:
        grids: each component's candidates.
        folders: the folders of each component's fits.
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
            held[candidate] = self._scored(component, candidate)
        held[candidate] = held.pop(candidate)  # the last of the two
        return held[candidate]

    def predictor(self, component: int, candidate: int) -> ScoresItems:
        """The predictor of a candidate."""
        grid = self.grids[component]
        folder = self.folders[component][grid.fits[candidate]]
        loaded: ScoresItems = grid.points[candidate].load(folder)
        return loaded

    def _scored(self, component: int, candidate: int) -> np.ndarray:
        predictor = self.predictor(component, candidate)
        out = np.empty((len(self.histories), self.n_items), dtype=np.float32)
        for rows in blocks(*out.shape):
            out[rows] = predictor.item_logs(self.histories.take(rows))
        return out


class Users(NamedTuple):
    """Validation users: B histories and their held-out items ``(B,)`` or ``(B, T)``."""

    histories: Histories
    targets: np.ndarray

    def take(self, rows: np.ndarray) -> Users:
        """Those of the given row numbers."""
        return Users(self.histories.take(rows), self.targets[rows])


class Search:
    """Points and their validation metrics.

    Args:
        scores: of the U users of the search.
        targets: ``(U,)`` or ``(U, T)`` their held-out items.
        pruning: the users that decide which components contribute.
        tie: ``(N,)`` tie order.
        exclude_seen: leave the items of histories out.
        fixed: component → its weight, where it is not searched for.
    """

    def __init__(
        self,
        scores: Scores,
        targets: np.ndarray,
        pruning: Users,
        tie: np.ndarray,
        *,
        exclude_seen: bool,
        fixed: dict[int, float],
    ) -> None:
        self.scores, self.users, self.pruning = scores, Users(scores.histories, targets), pruning
        self.tie, self.exclude_seen, self.fixed = tie, exclude_seen, fixed
        self.known: dict[Point, np.ndarray] = {}

    def values(self, point: Point) -> np.ndarray:
        """``(U,)`` the metric of each user."""
        taken = tuple(c if w else 0 for w, c in zip(*point, strict=True))
        point = Point(point.weights, taken)  # candidates of weight 0 do not matter
        if point not in self.known:
            self.known[point] = self._measured(point)
        return self.known[point]

    def _measured(self, point: Point) -> np.ndarray:
        logs = [
            (weight, self.scores.of(component, point.taken[component]))
            for component, weight in enumerate(point.weights)
            if weight
        ]
        values = np.empty(len(self.users.histories))
        for rows in blocks(len(values), len(self.tie)):
            values[rows] = self._metric(
                [(w, each[rows]) for w, each in logs], self.users.take(rows)
            )
        return values

    def _metric(self, logs: Sequence[tuple[float, np.ndarray]], users: Users) -> np.ndarray:
        """``(B,)`` the metric of B users for weighted scores ``(B, N)``."""
        histories, targets = users
        summed = fused(logs, (len(histories), len(self.tie)))
        seen = histories.of_targets() if self.exclude_seen else None
        items, _ = rank(summed, K, self.tie, seen)
        values: np.ndarray = per_user(items, targets, (K,))[METRIC]
        return values

    def best(self, points: Iterable[Point]) -> Point:
        """The best of ``points``; of equal ones, that with smaller weights, then that with earlier
        candidates."""

        def order(point: Point) -> tuple[Any, ...]:
            value = float(self.values(point).mean())
            return value, -sum(point.weights), tuple(-each for each in point.taken)

        return max((point for point in points if any(point.weights)), key=order)

    @property
    def start(self) -> Point:
        """The first candidates, and the first component that may have a weight alone, besides fixed
        weights."""
        components = range(len(self.scores.grids))
        first = next(each for each in components if self.fixed.get(each, 1.0))
        weights = tuple(self.fixed.get(each, float(each == first)) for each in components)
        return Point(weights, (0,) * len(components))

    def result(self) -> Point:
        """The best point of a coordinate search, without components that do not contribute.

        A component does not contribute if the loss without it is at most the standard error of the
        difference.
        """
        point = self.climbed(self.start)
        while (redundant := self._redundant(point)) is not None:
            self.fixed[redundant] = 0.0
            point = self.climbed(point.weighing(redundant, 0.0))
        return point

    def climbed(self, point: Point) -> Point:
        """The point that no change of one component improves, or that of the last round."""
        for _ in range(ROUNDS):
            before = point
            for component in range(len(point.weights)):
                point = self._moved(point, component)
            if point == before:
                break
        return point

    def _moved(self, point: Point, component: int) -> Point:
        """The best weight and candidate of ``component``, one of its settings at a time."""
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

    def _redundant(self, point: Point) -> int | None:
        """The component with the smallest contribution; None: all contribute."""
        losses = {
            component: lost.mean()
            for component, lost in self._losses(point).items()
            if lost.mean() <= lost.std() / np.sqrt(len(lost))
        }
        return min(losses, key=losses.__getitem__, default=None)

    def _losses(self, point: Point) -> dict[int, np.ndarray]:
        """What each user of ``pruning`` loses without each component that may be left out."""
        active = [component for component, weight in enumerate(point.weights) if weight]
        removable = [c for c in active if c not in self.fixed] if len(active) > 1 else []
        losses = {c: np.empty(len(self.pruning.histories)) for c in removable}
        if not removable:
            return losses
        predictors = {c: self.scores.predictor(c, point.taken[c]) for c in active}
        for rows in blocks(len(self.pruning.histories), len(self.tie)):
            users = self.pruning.take(rows)
            logs = {c: (point.weights[c], predictors[c].item_logs(users.histories)) for c in active}
            together = self._metric([*logs.values()], users)
            for removed, lost in losses.items():
                others = [each for c, each in logs.items() if c != removed]
                lost[rows] = together - self._metric(others, users)
        return losses


def _near(weight: float, weights: Sequence[float]) -> list[float]:
    """The weights that are tried with other settings."""
    if not weight:
        return [each for each in UNWEIGHTED if each in weights]
    index = weights.index(weight)
    return [each for each in weights[max(0, index - 1) : index + 2] if each]


def blocks(n_rows: int, n_items: int) -> Iterator[np.ndarray]:
    """Blocks of row numbers, bounded by the scores in memory (:data:`CELLS`)."""
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
    """Selects the weights and settings of components on validation.

    Args:
        grids: the components' candidates, by name.
        weights: fixed weights, by name.
        exclude_seen: leave the items of histories out of the lists.
        corpus: the data.
        inputs: the folders of fits, by :func:`.grid.fit_name`.
    """
    log, split = corpus.interactions, corpus.split
    everybody = Users(*instances(log, split, "valid")[:2])
    keys = log.user_keys[everybody.histories.users]

    def some(most: int) -> Users:
        return everybody.take(sampled(keys, most, split.seed, "validation users"))

    users = some(min(USERS, max(1, HELD // log.n_items)))
    folders = [
        [inputs[fit_name(name, fit)] for fit in range(len(grid.fitted))]
        for name, grid in grids.items()
    ]
    scores = Scores([*grids.values()], folders, users.histories, log.n_items)
    tie = tie_order(log.item_keys, split.seed)
    fixed = {component: weights[name] for component, name in enumerate(grids) if name in weights}
    searched = Search(
        scores, users.targets, some(PRUNING_USERS), tie, exclude_seen=exclude_seen, fixed=fixed
    )
    return _chosen(searched, grids, split.seed)


def _chosen(searched: Search, grids: Mapping[str, Grid], tie_seed: int) -> Choice:
    n_components, n_users = len(grids), len(searched.users.targets)
    point = searched.result() if n_users else searched.start
    alone = {}
    for component, name in enumerate(grids) if n_users else ():
        weights = tuple(float(component == other) for other in range(n_components))
        alone[name] = float(searched.values(Point(weights, point.taken)).mean())
    named = dict(zip(grids, point.taken, strict=True))
    return Choice(
        weights=dict(zip(grids, point.weights, strict=True)),
        settings={name: grids[name].settings(taken) for name, taken in named.items()},
        candidates={name: int(taken) for name, taken in named.items()},
        tie_seed=tie_seed,
        exclude_seen=searched.exclude_seen,
        users=n_users,
        metric=METRIC,
        value=float(searched.values(point).mean()) if n_users else None,
        alone=alone,
        tried=len(searched.known),
    )
