"""PALR's fit: trains the language model on lists, then chooses the retriever's weight."""

from __future__ import annotations

from math import ceil
from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.errors import input_error
from p5rec.core.launch import rank
from p5rec.core.rng import sampled
from p5rec.core.types import Corpus
from p5rec.data.split import instances
from p5rec.data.stored_texts import StoredTexts
from p5rec.ids.plain import unnamed
from p5rec.metrics.ranking import per_user
from p5rec.recommend.protocols import Recommender
from p5rec.tasks.view import Shown
from p5rec.train.training import train

from ...folder import read_method
from ...needs import Inputs
from .candidates import training_candidates
from .choice import METRIC, USERS, WEIGHTS, save_choice
from .predictor import open_predictor
from .profiles import Profiles
from .settings import RETRIEVER, PalrSettings

SPARE = 4  # events for which candidates are retrieved, for each training prompt with candidates


def fit(method: PalrSettings, corpus: Corpus, folder: Path, seed: int, inputs: Inputs) -> Lineage:
    """Trains ``method``, saves the model into ``folder`` and returns the training events."""
    learner, retriever = method.learner(seed), inputs[RETRIEVER]
    profiles = None
    if method.profile is not None:
        profiles = Profiles.of(StoredTexts.read(inputs["profile"]))
        profiles = profiles.permuted(seed) if method.permute_profiles else profiles
    shown = Shown(
        notes=() if profiles is None else profiles.notes(corpus.interactions.user_keys),
        retrieved=_candidates(method, corpus, read_method(retriever).load(retriever), seed),
    )
    codes = unnamed(len(corpus.catalog), seed)
    lineage = train(learner, corpus, codes, folder, shown=shown)
    if rank() == 0:
        if profiles is not None:
            profiles.save(folder)
        _choose(method, corpus, folder, retriever, seed)
    return lineage


def _candidates(
    method: PalrSettings, corpus: Corpus, retriever: Recommender, seed: int
) -> dict[int, np.ndarray]:
    """The candidates of training prompts."""
    train, prompts = method.train, method.prompts
    rows = ceil(SPARE * method.choosing * train.last_step * train.slots)
    if not rows:
        return {}
    found = training_candidates(
        retriever, corpus, method.candidates, prompts.list_length, rows, seed
    )
    if not found:
        raise input_error(
            "retriever", "a next item among the candidates of some training event", "none",
            "raise candidates, or take another retriever",
        )  # fmt: skip
    return found


def _choose(method: PalrSettings, corpus: Corpus, folder: Path, retriever: Path, seed: int) -> None:
    """Saves the weight with the best validation metric."""
    histories, targets, _ = instances(corpus.interactions, corpus.split, "valid")
    values: dict[float, float] = {}
    chosen = sampled(histories.request_keys, USERS, seed, "validation")
    histories, targets = histories.take(chosen), targets[chosen]
    if len(histories):
        queried = method.model_copy(update={"order": "model"})
        titles = list(corpus.catalog.titles)
        predictor = open_predictor(queried, folder, retriever, titles, 0.0, seed)
        found = predictor.retrieve(histories, 10, exclude_seen=corpus.split.exclude_seen)
        for weight in WEIGHTS:
            items = found.fused(weight, 10).items
            values[weight] = float(per_user(items, targets, (10,))[METRIC].mean())
    save_choice(folder, values, seed)
