"""How good predicted clicks are on validation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from p5rec.core.types import Corpus
from p5rec.metrics.rating import auc
from p5rec.tasks.click import CLICK
from p5rec.tasks.queries import histories_before, sample_queries
from p5rec.tasks.view import unnamed_view

from .predictors import PredictsClicks

VALIDATED = 5000  # events that are asked about, at most


def of_clicks(corpus: Corpus) -> Callable[[PredictsClicks], float]:
    """The AUC of clicks on ``VALIDATED`` validation events, asked as the task ``click`` does."""
    view = unnamed_view(corpus)
    asked: Any = sample_queries(CLICK.name, view, "valid", VALIDATED, corpus.split.seed)
    histories = histories_before(view, np.array(asked.events))
    items, clicked = np.array(asked.items), np.array(asked.clicked)
    return lambda model: float(auc(model.predict_click(histories, items), clicked)[0])
