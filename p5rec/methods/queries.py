"""What fitted methods are asked beside lists: ratings and texts of held-out events."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from p5rec.core.artefacts import write_json
from p5rec.core.types import Corpus
from p5rec.prompting import tasks
from p5rec.prompting.draft import Limits
from p5rec.prompting.view import decimal, unnamed_view
from p5rec.recommend.ask import FamilyAnswers, drawn
from p5rec.recommend.list_files import ABOUT
from p5rec.recommend.references import RATINGS, TEXTS

from .base import Method
from .baselines.text_rows import asked_rows, right_answers
from .tune import requests_of

RATING = "rating"


def questions(method: Method, corpus: Corpus, part: str, n: int, seed: int) -> FamilyAnswers:
    """``n`` seeded rows of the method's task in ``part``, those that a language model is asked.

    Raises:
        ValueError: the method ranks.
    """
    task = method.question_task
    if task is None:
        raise ValueError(f"a {method.kind} answers no questions")
    view, log, posed = unnamed_view(corpus), corpus.interactions, tasks.get(task)
    rows = posed.rows(view, part)
    rows = drawn(rows, posed.keys(view)[rows], n, seed)
    about: dict[str, Any] = {"family": task, "task": task, "answer": posed.answer}
    if task == RATING:
        assert log.ratings is not None, "checked before anything was fitted"
        ratings = [decimal(log.ratings[row]) for row in rows.tolist()]
        about |= {"ratings": ratings, "expected": [f"{rating:g}" for rating in ratings]}
    else:
        words = getattr(method, "max_words", Limits().max_words)
        about |= {"expected": right_answers(view, task, rows, words), "max_words": words}
    return FamilyAnswers(
        prompt_ids=(),
        users=log.users[rows].tolist(),
        items=log.items[rows].tolist(),
        events=rows.tolist(),
        **about,
    )


def answer_questions(
    method: Method, model: Path, corpus: Corpus, asked: FamilyAnswers, folder: Path
) -> None:
    """Answers ``asked`` into ``folder``: ``RATINGS`` or ``TEXTS``, and ``ABOUT``."""
    predictor: Any = method.load(model)
    started = time.perf_counter()
    if asked.answer == RATING:
        users, items = np.array(asked.users), np.array(asked.items)
        np.save(folder / RATINGS, predictor.predict_rating(requests_of(users), items))
    else:
        view = unnamed_view(corpus)
        rows = asked_rows(view, asked.task, np.array(asked.events), asked.max_words)
        write_json(folder / TEXTS, predictor.write(rows))
    write_json(folder / ABOUT, {"infer_seconds": time.perf_counter() - started})
