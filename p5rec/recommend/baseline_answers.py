"""The work of the stage that fits a baseline and keeps its lists."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from p5rec.core.artefacts import Lineage, read_json
from p5rec.core.types import Corpus
from p5rec.data.split import cases

from .baselines.registry import RECOMMENDERS
from .baselines.tune import by_ranking, tune
from .list_files import ABOUT, answer


def answer_baseline(
    name: str,
    corpus: Corpus,
    part: str,
    k: int,
    folder: Path,
    *,
    exclude_seen: bool = True,
    run: int = 0,
    tuned: Path | None = None,
) -> Lineage:
    """Fits a baseline on training events, tunes it on validation, and keeps its lists.

    It is tuned on lists without seen items in any case.

    Args:
        run: added to the seed of every draw of the fit.
        tuned: the folder of an earlier run, whose config is fitted in place of tuning once more.
    """
    baseline = RECOMMENDERS.get(name)
    events, split = corpus.interactions, corpus.split
    split = replace(split, seed=split.seed + run)
    started = time.perf_counter()
    if tuned is None:
        histories, targets, _ = cases(events, split, "valid")
        found = tune(baseline, events, split, by_ranking(histories, targets))
        model, config, tried = found.model, found.best.config, len(found.trials)
    else:
        config = type(baseline.default)(**read_json(tuned / ABOUT)["tuned"])
        model, tried = baseline.fit(events, split, config), 1
    about = {
        "train_seconds": round(time.perf_counter() - started, 3),
        "tuned": config.dump(),
        "configs_tried": tried,
    }
    answer(model, corpus, part, k, folder, about, exclude_seen=exclude_seen)
    lineage: Lineage = model.lineage
    return lineage
