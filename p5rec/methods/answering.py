"""A fitted method's predictions for a held-out part, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from p5rec.core.types import PARTS, Corpus
from p5rec.data.train_events import swapped
from p5rec.recommend.list_files import answer
from p5rec.recommend.serving import ServingConfig

from .base import Method


def predict(
    method: Method, predictor: Any, serving: ServingConfig, corpus: Corpus, part: str, out: Path
) -> None:
    """Predictions for the users of ``part``, into ``out``.

    Where the method's histories are permuted, so are those that it is queried with; what is asked
    about stays.
    """
    if method.permute_histories:
        before = [name for name, number in PARTS.items() if number < PARTS[part]]
        corpus = swapped(corpus, before, serving.fit_seed)
    if hasattr(predictor, "answer"):
        predictor.answer(serving, corpus, part, out)
    else:
        answer(predictor, corpus, part, serving.k, out, {}, exclude_seen=serving.exclude_seen)
