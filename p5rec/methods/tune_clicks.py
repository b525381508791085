"""The validation metric of click prediction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from p5rec.core.types import Corpus
from p5rec.metrics.area import auc
from p5rec.tasks.click import CLICK
from p5rec.tasks.queries import histories_before, sample_queries
from p5rec.tasks.view import unnamed_view

from .predictors import PredictsClicks

VALIDATED = 5000  # validation events, at most


def of_clicks(corpus: Corpus) -> Callable[[PredictsClicks], float]:
    """The AUC of the task ``click`` on at most ``VALIDATED`` validation events."""
    view = unnamed_view(corpus)
    queries: Any = sample_queries(CLICK.name, view, "valid", VALIDATED, corpus.split.seed)
    histories = histories_before(view, CLICK.name, np.array(queries.events))
    items, clicked = np.array(queries.items), np.array(queries.clicked)
    return lambda model: float(auc(model.predict_click(histories, items), clicked)[0])
