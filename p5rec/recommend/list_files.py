"""A method's recommendations on disk: written and read."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from p5rec.core.artefacts import write_json
from p5rec.core.types import Corpus, RankedLists
from p5rec.data.split import instances

from .protocols import Recommender

LISTS, ABOUT = "lists.safetensors", "about.json"


def write_recommendations(
    recommender: Recommender,
    corpus: Corpus,
    split_name: str,
    k: int,
    folder: Path,
    about: dict[str, Any],
    *,
    exclude_seen: bool = True,
) -> None:
    """Writes the ranked lists of every user with a target in a split into ``folder``."""
    histories, _, _ = instances(corpus.interactions, corpus.split, split_name)
    started = time.perf_counter()
    lists = recommender.recommend(histories, k, exclude_seen=exclude_seen)
    about = {**about, **lists.cost, "infer_seconds": round(time.perf_counter() - started, 3)}
    tensors = {"users": lists.users, "items": lists.items, "scores": lists.scores}
    save_file({n: np.ascontiguousarray(t) for n, t in tensors.items()}, folder / LISTS)
    write_json(folder / ABOUT, about)


def read_lists(folder: Path) -> RankedLists:
    """The ranked lists that :func:`write_recommendations` wrote."""
    tensors = load_file(folder / LISTS)
    return RankedLists(tensors["users"], tensors["items"], tensors["scores"])
