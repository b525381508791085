"""Lists with items that came after the training: how their scores meet those of known items.

B requests, M new items, K list length.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np

from p5rec.core.types import Histories, RankedLists
from p5rec.methods.predictors import ScoresItems
from p5rec.recommend.ranking import rank
from p5rec.report.plots import COLOURS, INK, STYLE, Picture, layout, save

CHUNK = 1024  # requests whose scores of all items are held at a time


class Rule(NamedTuple):
    """What is added to the log-probability of a new item.

    Attributes:
        bonus: a constant, in nats; -inf: new items are not recommended.
        weight: nats for each standard deviation of the likeness of texts.
    """

    bonus: float
    weight: float


NEVER, AS_THEY_ARE = Rule(-np.inf, 0.0), Rule(0.0, 0.0)
BONUSES = tuple(np.arange(-2.0, 8.5, 0.5).tolist())
RULES = (*map(Rule._make, product(BONUSES, (0.0, 0.25, 0.5, 1.0, 1.5, 2.0))),)


def likeness(vectors: np.ndarray, histories: Histories) -> np.ndarray:
    """``(B, N)``: the products of the text vectors ``(N, D)`` and the sum of a history's."""
    sums = np.add.reduceat(vectors[histories.items], histories.offsets[:-1], axis=0)
    products: np.ndarray = sums @ vectors.T  # no history is empty
    return products


@dataclass(frozen=True, eq=False)
class Scored:
    """The scores of requests.

    Attributes:
        users: ``(B,)``.
        targets: ``(B,)``.
        known: ``(B, K)`` the best known items.
        new: ``(M,)`` the new items.
        logs: ``(B, M)`` their log-probabilities, -inf in the request's history.
        likeness: ``(B, M)`` that of their texts and the history's, standardised by request.
    """

    users: np.ndarray
    targets: np.ndarray
    known: RankedLists
    new: np.ndarray
    logs: np.ndarray
    likeness: np.ndarray

    @classmethod
    def of(
        cls,
        predictor: ScoresItems,
        vectors: np.ndarray,
        new: np.ndarray,
        tie: np.ndarray,
        requests: tuple[Histories, np.ndarray],
        k: int,
    ) -> Scored:
        """Scores ``requests``, histories and their targets ``(B,)``.

        Args:
            predictor: scores known and new items.
            vectors: ``(N, D)`` of the items' texts.
            new: ``(N,)`` bool.
            tie: ``(N,)``, see :func:`p5rec.recommend.ranking.rank`.
            requests: no history is empty.
            k: K.
        """
        histories, targets = requests
        columns, parts = np.flatnonzero(new), []
        for start in range(0, len(histories), CHUNK):
            own = histories.take(np.arange(start, min(start + CHUNK, len(histories))))
            logs = predictor.item_logs(own)
            logs[own.requests(), own.items] = -np.inf
            of_new, alike = logs[:, columns], likeness(vectors, own)[:, columns]
            logs[:, columns] = -np.inf
            alike = (alike - alike.mean(1, keepdims=True)) / alike.std(1, keepdims=True)
            parts.append((*rank(logs, k, tie), of_new, alike))
        items, scores, of_new, alike = (np.concatenate(part) for part in zip(*parts, strict=True))
        known = RankedLists(histories.users, items, scores)
        return cls(histories.users, targets, known, columns, of_new, alike)

    def lists(self, rule: Rule) -> RankedLists:
        """``(B, K)``: known and new items under ``rule``."""
        k = self.known.items.shape[1]
        raised = self.logs + rule.bonus + rule.weight * self.likeness
        scores = np.concatenate([self.known.scores, raised], axis=1)
        columns, best = rank(scores, k, np.arange(scores.shape[1]))
        among = np.concatenate(
            [self.known.items, np.broadcast_to(self.new, raised.shape).astype(np.int32)], axis=1
        )
        items = np.take_along_axis(among, np.maximum(columns, 0), axis=1)
        return RankedLists(self.users, np.where(columns < 0, -1, items), best)

    def hit_rate(self, rule: Rule, k: int = 10) -> float:
        """HR@k under ``rule``."""
        return float((self.lists(rule).items[:, :k] == self.targets[:, None]).any(1).mean())


def mean_hit_rate(parts: list[Scored], rule: Rule) -> float:
    """HR@10 over the requests of all ``parts``."""
    sizes = [len(part.targets) for part in parts]
    return float(np.average([part.hit_rate(rule) for part in parts], weights=sizes))


def choose(cold: list[Scored], warm: list[Scored], most: float) -> Rule:
    """The rule with the best HR@10 on ``cold`` among those that cost ``warm`` at most ``most``."""
    least = mean_hit_rate(warm, NEVER) - most
    cheap = [rule for rule in RULES if mean_hit_rate(warm, rule) >= least]
    return max(cheap or [NEVER], key=lambda rule: mean_hit_rate(cold, rule))


def trade_off(cold: list[Scored], warm: list[Scored], chosen: Rule) -> list[dict[str, float]]:
    """HR@10 of new and of known items for each constant, without texts and as ``chosen``."""
    rules = map(Rule._make, product((-np.inf, *BONUSES), sorted({0.0, chosen.weight})))
    return [
        {
            **rule._asdict(),
            "cold": mean_hit_rate(cold, rule),
            "warm": mean_hit_rate(warm, rule),
        }
        for rule in rules
    ]


def draw(curve: list[dict[str, float]], chosen: Rule, path: Path) -> None:
    """Writes a picture of :func:`trade_off` as PNG."""
    with matplotlib.rc_context(STYLE):
        figure = Picture(figsize=(6, 4), layout=layout())
        axes: Any = figure.subplots()
        for colour, weight in zip(COLOURS, sorted({0.0, chosen.weight}), strict=False):
            points = [point for point in curve if point["weight"] == weight]
            label = f"codes and {weight:g} x likeness of texts" if weight else "codes alone"
            axes.plot(
                [point["warm"] for point in points],
                [point["cold"] for point in points],
                "o-", color=colour, label=label, markersize=3,
            )  # fmt: skip
        for point in curve:
            if Rule(point["bonus"], point["weight"]) == chosen:
                axes.plot(point["warm"], point["cold"], "*", color=INK, markersize=14)
                axes.annotate(
                    "chosen on validation", (point["warm"], point["cold"]), (-8, 8),
                    textcoords="offset points", ha="right",
                )  # fmt: skip
        axes.set_xlabel("HR@10 of known items")
        axes.set_ylabel("HR@10 of new items")
        axes.legend(frameon=False)
        save(figure, path)
