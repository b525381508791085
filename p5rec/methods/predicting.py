"""A fitted method's predictions for a held-out split, as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from p5rec.core.artefacts import write_json
from p5rec.core.progress import progress_bars
from p5rec.core.types import SPLITS, Corpus
from p5rec.data.train_events import permute_histories
from p5rec.recommend.list_files import write_recommendations
from p5rec.recommend.model_predictions import PROMPTED
from p5rec.recommend.serving import ServingConfig
from p5rec.tasks.registry import TASKS

from .base import LISTS, Method
from .queries import predict_queries, task_queries


@progress_bars()
def predict(
    method: Method,
    predictor: Any,
    serving: ServingConfig,
    corpus: Corpus,
    split_name: str,
    out: Path,
) -> None:
    """Writes ranked lists for the users of a split and predictions for its tasks into ``out``.

    A method with permuted histories is queried with permuted histories. Its targets are the
    original ones.
    """
    before = [name for name, number in SPLITS.items() if number < SPLITS[split_name]]

    def with_histories(splits: Sequence[str]) -> Corpus:
        if not method.permute_histories:
            return corpus
        return permute_histories(corpus, splits, serving.fit_seed)

    seen = with_histories(before)
    if hasattr(predictor, "predict_split"):
        predictor.predict_split(serving, seen, split_name, out)
        return
    if LISTS in method.capabilities and serving.lists:
        write_recommendations(
            predictor, seen, split_name, serving.k, out, {}, exclude_seen=serving.exclude_seen
        )
    for task, n in serving.prompts.items():
        queries = task_queries(method, corpus, task, split_name, n, serving.seed)
        own = with_histories([*before, split_name]) if TASKS.get(task).all_earlier else seen
        predictions = predict_queries(predictor, queries, corpus, own)
        write_json(out / f"{PROMPTED}{task}.json", predictions.dump())
