"""Plans of a dialogue, found by their outcomes with simulated users.

A plan says which topics are asked about, in which order, and whether results are filtered. A search
keeps the plans that reach the targets of many users earliest, and varies them. It knows nothing
about topics or information.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .dialogue import Dialogue
from .policies import understood, with_words
from .steps import Step

PLANS, KEPT, ROUNDS = 16, 4, 4  # plans of a round, those that are kept, and rounds
MARGIN = 0.1  # cost above the best plan up to which others are used, too


class Plan(NamedTuple):
    """A plan.

    Attributes:
        topics: asked about, in this order.
        filters: whether results are filtered.
    """

    topics: tuple[int, ...]
    filters: bool


class PlannedManager:
    """Follows a plan: its questions, then a recommendation a turn."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def steps(self, dialogues: Sequence[Dialogue]) -> list[Step]:
        """See :class:`.play.Manager`."""
        return [self._step(each) for each in dialogues]

    def _step(self, dialogue: Dialogue) -> Step:
        wishes, calls = understood(dialogue), dialogue.allowed()
        left = [topic for topic in self.plan.topics if topic not in dialogue.asked]
        asked = [call for call in calls if call.tool == "ask" and call.topic in left[:1]]
        skipped = "rank" if self.plan.filters else "filter"
        ahead = [call for call in calls if call.tool != "ask"]
        chosen = [call for call in ahead if call.tool != skipped] or ahead
        return with_words(wishes, (asked or chosen)[0], dialogue)


def best_plans(
    cost: Callable[[Plan], float], topics: int, rng: np.random.Generator
) -> tuple[Plan, ...]:
    """The best plan of an evolutionary search, and those almost as good, the best first.

    Args:
        cost: of a plan.
        topics: number of topics.
        rng: of the search.
    """
    costs: dict[Plan, float] = {}
    plans = [_drawn(topics, rng) for _ in range(PLANS)]
    for _ in range(ROUNDS):
        costs |= {plan: cost(plan) for plan in plans if plan not in costs}
        kept = sorted(costs, key=lambda plan: (costs[plan], plan))[:KEPT]
        plans = [_varied(kept[n % len(kept)], topics, rng) for n in range(PLANS)]
    return tuple(plan for plan in kept if costs[plan] <= costs[kept[0]] + MARGIN)


def _drawn(topics: int, rng: np.random.Generator) -> Plan:
    order = rng.permutation(topics)[: int(rng.integers(topics + 1))]
    return Plan(tuple(order.tolist()), bool(rng.random() < 0.5))


def _varied(plan: Plan, topics: int, rng: np.random.Generator) -> Plan:
    """The plan without a topic, with another one, in another order, or with the other filter."""
    order = list(plan.topics)
    match int(rng.integers(4)):
        case 0 if order:
            order.pop(int(rng.integers(len(order))))
        case 1 if len(order) < topics:
            free = [n for n in range(topics) if n not in order]
            order.insert(int(rng.integers(len(order) + 1)), free[int(rng.integers(len(free)))])
        case 2:
            order = [order[n] for n in rng.permutation(len(order)).tolist()]
        case _:
            return Plan(plan.topics, not plan.filters)
    return Plan(tuple(order), plan.filters)
