"""A fitted method's predictions for a held-out part, as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from p5rec.core.artefacts import write_json
from p5rec.core.types import SPLITS, Corpus
from p5rec.data.train_events import permute_histories
from p5rec.recommend.list_files import answer
from p5rec.recommend.model_predictions import PROMPTED
from p5rec.recommend.serving import ServingConfig

from .base import LISTS, Method
from .queries import answered, questions


def predict(
    method: Method,
    predictor: Any,
    serving: ServingConfig,
    corpus: Corpus,
    split_name: str,
    out: Path,
) -> None:
    """Lists for the users of ``part`` and answers to its questions, into ``out``.

    Where the method's histories are permuted, so are those that it is queried with; what is asked
    about stays.
    """
    seen = corpus
    if method.permute_histories:
        before = [name for name, number in SPLITS.items() if number < SPLITS[split_name]]
        seen = permute_histories(corpus, before, serving.fit_seed)
    if hasattr(predictor, "answer"):
        predictor.answer(serving, seen, split_name, out)
        return
    if LISTS in method.capabilities:
        answer(predictor, seen, split_name, serving.k, out, {}, exclude_seen=serving.exclude_seen)
    for task, n in serving.prompts.items():
        asked = questions(method, corpus, task, split_name, n, serving.seed)
        write_json(out / f"{PROMPTED}{task}.json", answered(predictor, asked, corpus, seen).dump())
