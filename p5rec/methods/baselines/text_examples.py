"""Examples of text tasks for text baselines: training examples with targets, and queries.

R examples, E events of the corpus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import derive_rng
from p5rec.core.types import TRAIN
from p5rec.tasks.record_builder import Limits
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView

REVIEW = "review"  # the field of a prompt with the input text


@dataclass(frozen=True, eq=False)
class TextExamples:
    """R examples of a text task.

    Attributes:
        items: ``(R,)`` their items.
        texts: R input texts. For a training example, its review. For a query, the review in the
            prompt, or else all training reviews of its user.
        has_review: whether prompts contain the review.
        targets: R targets; empty for queries.
        lineage: the training events that were read.
    """

    items: np.ndarray
    texts: Sequence[str]
    has_review: bool
    targets: Sequence[str]
    lineage: Lineage


def has_written_targets(view: CorpusView, task: str) -> bool:
    """Whether the targets of ``task`` are reviews or parts of reviews, and the data have some."""
    return has_text_target(task) and "review" in view.has


def has_text_target(task: str) -> bool:
    """Whether the targets of ``task`` are texts about events, which a method may write."""
    entry = TASKS.get(task)
    return entry.capability == "write" and entry.of == "events"


def prompt_has_review(task: str) -> bool:
    """Whether the prompts of ``task`` contain the review."""
    return REVIEW in TASKS.get(task).source_fields


def training_examples(view: CorpusView, task: str, max_words: int) -> TextExamples:
    """The training examples of a task, with targets.

    Args:
        view: the corpus.
        task: a task with :func:`has_written_targets`.
        max_words: of a review and of a target.
    """
    limits = Limits(max_words=max_words)
    rows = TASKS.get(task).rows(view, "train")
    return TextExamples(
        items=view.corpus.interactions.items[rows],
        texts=[limits.cut(view.text("review", row)) for row in rows.tolist()],
        has_review=prompt_has_review(task),
        targets=targets_of(view, task, rows, max_words),
        lineage=Lineage(view.corpus.interactions.event_keys[rows]),
    )


def targets_of(view: CorpusView, task: str, rows: np.ndarray, max_words: int) -> list[str]:
    """R texts, the targets of a task for events ``rows (R,)``.

    Args:
        view, task, max_words: see :func:`training_examples`.
    """
    entry, limits = TASKS.get(task), Limits(max_words=max_words)
    draw = derive_rng(0, "text rows", task)  # targets do not depend on a record's random draws
    records = (entry.build(view, row, draw, limits) for row in rows.tolist())
    return [str(record.values[entry.target_fields[0]]) for record in records]


def query_examples(view: CorpusView, task: str, events: np.ndarray, max_words: int) -> TextExamples:
    """Queries of a task: without targets, and without reviews that are targets.

    Args:
        view, task, max_words: see :func:`training_examples`.
        events: ``(R,)`` their event rows.
    """
    log, has_review = view.corpus.interactions, prompt_has_review(task)
    limits = Limits(max_words=max_words)
    texts = [_input_text(view, event, has_review, limits) for event in events.tolist()]
    return TextExamples(log.items[events], texts, has_review, [], Lineage.none())


def pair_examples(
    view: CorpusView, users: np.ndarray, items: np.ndarray, max_words: int
) -> TextExamples:
    """Queries for ``items (B,)`` with all reviews of ``users (B,)``, with or without an event."""
    log, limits = view.corpus.interactions, Limits(max_words=max_words)
    own = {user: range(*log.offsets[user : user + 2].tolist()) for user in set(users.tolist())}
    reviews = {
        user: " ".join(limits.cut(view.text("review", row)) for row in rows)
        for user, rows in own.items()
    }
    texts = [reviews[user] for user in users.tolist()]
    return TextExamples(items, texts, has_review=False, targets=[], lineage=Lineage.none())


def _input_text(view: CorpusView, event: int, has_review: bool, limits: Limits) -> str:
    if has_review:
        return limits.cut(view.text("review", event))
    past = view.past(event)
    own = past[view.corpus.split.of_event[past] == TRAIN]
    return " ".join(limits.cut(view.text("review", row)) for row in own.tolist())
