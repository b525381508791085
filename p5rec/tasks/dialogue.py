"""The dialogue task: a system finds the item that a user wants, in a few turns.

The test instances are events whose item the simulated user wants. The training examples are steps
of dialogues with simulated users about training events. These dialogues follow plans that a search
found by their outcomes, so what is imitated is what led to the targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from p5rec.core.rng import derive_rng, sampled

from .base import Task
from .dialogues.dialogue import AttributeSearch, Dialogue, Fact, facts_from
from .dialogues.dialogue import Limits as DialogueLimits
from .dialogues.phrasings import Half
from .dialogues.plans import Plan, PlannedManager, best_plans
from .dialogues.play import Manager, play
from .dialogues.steps import Step
from .dialogues.users import simulated
from .fields import Record
from .predictions import Episodes
from .record_builder import Limits
from .view import CorpusView

EVENTS, TRANSCRIPTS = 1000, 2  # training events of transcripts, and those of an event, at most
SEARCHED = 24  # training events that plans are measured on
CALL = 0.01  # turns that a tool call costs in this search
Taken = list[tuple[Dialogue, Step]]  # dialogues, and the steps taken in them


def rows(view: CorpusView, split_name: str) -> np.ndarray:
    """``(R,)`` liked target events whose items have values that a dialogue can name; of training
    events a sample."""
    items = view.corpus.interactions.items
    named = np.asarray(view.topics.has.any(axis=1))
    targets = view.targets(split_name) & view.liked & named[items]
    if split_name != "train":
        return np.flatnonzero(targets)
    events = np.flatnonzero(targets & view.first)
    keys = view.corpus.interactions.event_keys[events]
    return events[sampled(keys, EVENTS, 0, "transcripts")]


def facts_of(view: CorpusView, past: np.ndarray) -> tuple[Fact, ...]:
    """Facts about a user from the liked events of the history.

    Args:
        past: event rows of the history, oldest first.
    """
    events = past[view.liked[past]]
    return facts_from(view.topics, view.corpus.interactions.items[events], events.tolist())


@lru_cache(maxsize=2)
def popular_order(view: CorpusView) -> np.ndarray:
    """``(N,)`` int64: the rank of each item by training events, ties by key."""
    log = view.corpus.interactions
    counts = np.bincount(log.items[view.corpus.split.mask("train")], minlength=log.n_items)
    order = np.empty(log.n_items, dtype=np.int64)
    order[np.lexsort((log.item_keys, -counts))] = np.arange(log.n_items)
    return order


class _Noted:
    """A manager that notes the dialogues before each of its steps."""

    def __init__(self, manager: Manager) -> None:
        self.manager, self.taken = manager, Taken()

    def steps(self, dialogues: Sequence[Dialogue]) -> list[Step]:
        """See :class:`.dialogues.play.Manager`."""
        before = [each.copy() for each in dialogues]
        steps = self.manager.steps(dialogues)
        self.taken += zip(before, steps, strict=True)
        return steps


@lru_cache(maxsize=8)
def plans_of(view: CorpusView, listed: int) -> tuple[Plan, ...]:
    """The plans that reach the targets of training events earliest, the best first."""
    events = rows(view, "train")
    keys = view.corpus.interactions.event_keys[events]
    sample = events[sampled(keys, SEARCHED, 0, "plans")].tolist()

    def cost(plan: Plan) -> float:
        trials = [_trial(view, row, 0, plan, listed, "training")[0] for row in sample]
        return float(np.mean([turn + CALL * calls for turn, calls in trials]))

    return best_plans(cost, len(view.topics.names), derive_rng(0, "plans"))


def transcript(view: CorpusView, row: int, number: int, listed: int, half: Half) -> Taken:
    """A dialogue about an event: of those by the best plans the one that ends earliest.

    Args:
        row: the event, whose item the user wants.
        number: of the transcript; each has its own random draws.
        listed: items of a recommendation.
        half: of the user's phrasings.
    """
    trials = [_trial(view, row, number, plan, listed, half) for plan in plans_of(view, listed)]
    return min(trials, key=lambda trial: trial[0])[1]


@lru_cache(maxsize=20_000)
def _prompts(view: CorpusView, row: int, number: int, listed: int) -> list[dict[str, str]]:
    """The fields of each step of a training transcript."""
    return [
        {**dialogue.values(), "step": step.text(view.topics)}
        for dialogue, step in transcript(view, row, number, listed, "training")
    ]


def _trial(
    view: CorpusView, row: int, number: int, plan: Plan, listed: int, half: Half
) -> tuple[tuple[int, int], Taken]:
    """The cost of a dialogue by a plan, and the dialogue before each of its steps.

    The cost is the turn that recommended the target, or one more than there are, then the number of
    steps. Dialogues of one number have the same user.
    """
    log = view.corpus.interactions
    rng = derive_rng(int(log.event_keys[row]), "transcript", number)
    facts = facts_of(view, view.past(row)) if rng.random() < 0.5 else ()
    item, known = int(log.items[row]), log.items[view.past(row)].tolist()
    limits = DialogueLimits(listed=listed)
    user = simulated("honest", (item, view.names.titles[item]), view.topics, rng, half)
    dialogue = Dialogue(view.topics, popular_order(view), facts, limits, shown=known, rng=rng)
    noted = _Noted(PlannedManager(plan))
    (outcome,) = play([dialogue], [user], noted, AttributeSearch(view.topics))
    return (outcome.turn or limits.turns + 1, len(noted.taken)), noted.taken


def _build(view: CorpusView, row: int, rng: np.random.Generator, limits: Limits) -> Record:
    """A random step of one of the event's transcripts."""
    steps = _prompts(view, row, int(rng.integers(TRANSCRIPTS)), limits.list_length)
    values, log = steps[int(rng.integers(len(steps)))], view.corpus.interactions
    user, item = int(log.users[row]), int(log.items[row])
    return Record("dialogue", {**values}, user, item, row, mentions=frozenset([item]))


DIALOGUE = Task(
    name="dialogue",
    predictions=Episodes,
    capability="chat",
    metrics=("success@5", "turns", "tool accuracy"),
    rows=rows,
    build=_build,
    source_fields=("facts", "state", "results", "utterance", "heard"),
    target_fields=("step",),
    needs=(("attributes",),),
)
