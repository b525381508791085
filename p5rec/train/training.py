"""Trains a method from its settings to a bundle."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch

from p5rec.core.artefacts import Lineage
from p5rec.core.item_codes import ItemCodes
from p5rec.core.launch import rank
from p5rec.core.rng import derive_seed
from p5rec.core.types import Corpus
from p5rec.models.bundle import Bundle, build
from p5rec.models.checkpoint import load_trainable, save_bundle
from p5rec.models.config import PointSettings
from p5rec.models.initialise import initialise_from, provenance, resolve_initialisation
from p5rec.prompting.library import PromptLibrary
from p5rec.tasks.view import DATA_ALONE, Shown

from .alignment.objectives import objective
from .callbacks.checkpoints import FOLDER
from .distributed import is_sharded
from .learner import LearnerConfig, PointLearnerConfig, settings_of, train_ratings, training_prompts
from .schedule import Schedule
from .sft import Trained, fit
from .training_data import build_training_data, trained_items


def train(
    config: LearnerConfig,
    corpus: Corpus,
    codes: ItemCodes,
    folder: Path,
    validate: Callable[[Bundle], Mapping[str, float]] | None = None,
    *,
    start: Path | None = None,
    pairs: Path | None = None,
    shown: Shown = DATA_ALONE,
) -> Lineage:
    """Trains a model and writes its bundle and ``metrics.jsonl`` to ``folder``.

    If the folder has checkpoints of an interrupted run, it resumes, with the same result. With 0
    steps the model is saved untrained, without metrics.

    Args:
        validate: computes validation metrics, every ``config.train.evaluate_every`` steps.
        start: the folder of a bundle that the model is initialised from.
        pairs: the preference pairs of alignment
            (:func:`p5rec.train.alignment.hard_negatives.mine_negatives`).
        shown: what prompts show besides the data.

    Raises:
        UserError: a task is unknown, the data lack what it needs, or ``start`` has another
            backbone.
    """
    library, events = training_prompts(config), config.train.training_events(corpus, start)
    config = config.epochs_to_steps(events)
    settings = settings_of(config, corpus)
    if isinstance(config, PointLearnerConfig) and shown.points is not None:
        points = PointSettings(width=shown.points.width, **config.adapter.dump())
        settings = settings.model_copy(update={"points": points})
    if start is not None:
        settings = resolve_initialisation(settings, start)
    bundle = build(settings, codes, corpus.catalog.ids, library.subset_dump(), download=True)
    if bundle.model.heads is not None:
        bundle.model.heads.init_to_marginal(torch.from_numpy(train_ratings(events)))
    if bundle.model.item_head is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(settings.seed, "item rows"))
            if settings.backbone.item_embeddings:
                bundle.model.init_item_embeddings(torch.from_numpy(trained_items(events)))
            else:
                bundle.model.init_code_embeddings()
    if start is not None:
        initialise_from(start, bundle)
    trained = Trained({}, 0)
    if settings.trained:
        trained = _fit(config, events, bundle, library, folder, validate, pairs, shown)
    lineage = Lineage(corpus.interactions.event_keys[events.split.mask("train")])
    if rank() == 0:
        if is_sharded(bundle.model):
            bundle = build(
                settings, codes, corpus.catalog.ids, library.subset_dump(), download=True
            )
            load_trainable(bundle.model, trained.weights, folder)
        about = {
            "prompts": library.hashes(),
            "train": config.train.dump(),
            "steps": trained.steps,
            "lineage": lineage.summary(),
        }
        if start is not None:
            about["start"] = provenance(start, full=config.train.replay is None)
        save_bundle(bundle, folder, about)
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
    return lineage


def _fit(
    config: LearnerConfig,
    corpus: Corpus,
    bundle: Bundle,
    library: PromptLibrary,
    folder: Path,
    validate: Callable[[Bundle], Mapping[str, float]] | None,
    pairs: Path | None,
    shown: Shown,
) -> Trained:
    tasks, task_of = build_training_data(config, corpus, bundle, library, pairs, shown)
    return fit(
        bundle.model,
        bundle.tokenizer,
        Schedule(tasks, task_of, config.train),
        folder,
        None if validate is None else partial(validate, bundle),
        objective(config.train.align, bundle.model),
    )
