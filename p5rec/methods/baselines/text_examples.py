"""What text baselines read: reviews and answers of the training part, and the rows they are asked.

R rows, E events of the corpus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import derive_rng
from p5rec.core.types import TRAIN
from p5rec.tasks.predictions import Texts
from p5rec.tasks.record_builder import Limits
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView

SHOWN = "review"  # the field of a question that holds a text to be worked on


@dataclass(frozen=True, eq=False)
class TextExamples:
    """R rows of a text task.

    Attributes:
        items: ``(R,)`` the items that the answers are about.
        words: R texts. Of a training row it is its review. Of a row that is asked about, it is the
            review where the question shows it, else all that its user wrote in training.
        shown: the questions show the review.
        answers: the R right answers; empty for rows that are asked about.
        lineage: the events that were read to learn from.
    """

    items: np.ndarray
    words: Sequence[str]
    shown: bool
    answers: Sequence[str]
    lineage: Lineage


def has_written_targets(view: CorpusView, task: str) -> bool:
    """Whether the answers of the task ``task`` are what people wrote in reviews."""
    return has_text_target(task) and "review" in view.has


def has_text_target(task: str) -> bool:
    """Whether the task ``task`` asks for texts about what users did."""
    found = TASKS.get(task)
    return found.predictions is Texts and not found.of_items


def prompt_has_review(task: str) -> bool:
    """Whether the questions of the task ``task`` show the review."""
    return SHOWN in TASKS.get(task).source_fields


def training_examples(view: CorpusView, task: str, max_words: int) -> TextExamples:
    """The training rows of a task, answered.

    Args:
        view: the corpus.
        task: one that :func:`has_written_targets`.
        max_words: of a review and of an answer.
    """
    limits = Limits(max_words=max_words)
    rows = TASKS.get(task).rows(view, "train")
    return TextExamples(
        items=view.corpus.interactions.items[rows],
        words=[limits.cut(view.text("review", row)) for row in rows.tolist()],
        shown=prompt_has_review(task),
        answers=targets_of(view, task, rows, max_words),
        lineage=Lineage(view.corpus.interactions.event_keys[rows]),
    )


def targets_of(view: CorpusView, task: str, rows: np.ndarray, max_words: int) -> list[str]:
    """R texts, the answers to the questions of a task about ``rows (R,)``.

    Args:
        view, task, max_words: see :func:`training_examples`.
    """
    posed, limits = TASKS.get(task), Limits(max_words=max_words)
    draw = derive_rng(0, "text rows", task)  # the answer hangs on none of what a record draws
    records = (posed.build(view, row, draw, limits) for row in rows.tolist())
    return [str(record.values[posed.target_fields[0]]) for record in records]


def query_examples(view: CorpusView, task: str, events: np.ndarray, max_words: int) -> TextExamples:
    """Rows of a task as a question tells them: no answer, and no review that is one.

    Args:
        view, task, max_words: see :func:`training_examples`.
        events: ``(R,)`` their event rows.
    """
    log, shown = view.corpus.interactions, prompt_has_review(task)
    words = [_said(view, event, shown, Limits(max_words=max_words)) for event in events.tolist()]
    return TextExamples(log.items[events], words, shown, [], Lineage.none())


def pair_examples(
    view: CorpusView, users: np.ndarray, items: np.ndarray, max_words: int
) -> TextExamples:
    """Rows about ``items (B,)`` and what ``users (B,)`` wrote so far, whether they met or not."""
    log, limits = view.corpus.interactions, Limits(max_words=max_words)
    own = {user: range(*log.offsets[user : user + 2].tolist()) for user in set(users.tolist())}
    said = {
        user: " ".join(limits.cut(view.text("review", row)) for row in rows)
        for user, rows in own.items()
    }
    words = [said[user] for user in users.tolist()]
    return TextExamples(items, words, shown=False, answers=[], lineage=Lineage.none())


def _said(view: CorpusView, event: int, shown: bool, limits: Limits) -> str:
    if shown:
        return limits.cut(view.text("review", event))
    past = view.past(event)
    own = past[view.corpus.split.of_event[past] == TRAIN]
    return " ".join(limits.cut(view.text("review", row)) for row in own.tolist())
