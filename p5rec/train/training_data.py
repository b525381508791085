"""The training data of a method: the examples of each task."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p5rec.core.rng import derive_rng, derive_seed
from p5rec.core.types import Corpus
from p5rec.data.windows import Windows
from p5rec.models.checkpoint import Bundle
from p5rec.models.config import NEXT_ITEM, RATING_SEQUENCE
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.source import ExampleSource
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import unnamed_view

from .alignment.data import PreferenceExamples, SampledExamples, load_pairs
from .config import GroupConfig, NextItemConfig, PreferenceConfig, TaskConfig, TrainConfig
from .examples.example import TrainingExamples
from .examples.histories import NextItemExamples, RatingSequenceExamples
from .examples.prompted import PromptExamples
from .learner import LearnerConfig
from .schedule import assign_tasks, tempered

# names of random streams that differ from the task's name
STREAMS = {NEXT_ITEM: "dense", RATING_SEQUENCE: "dense-rating"}


def build_training_data(
    config: LearnerConfig,
    corpus: Corpus,
    bundle: Bundle,
    library: PromptLibrary,
    pairs: Path | None = None,
) -> tuple[dict[str, TrainingExamples], np.ndarray]:
    """The examples of each task of the training, and the task ``(S,)`` of each slot.

    Args:
        corpus: with the training events (:func:`p5rec.train.config.TrainConfig.training_events`).
    """
    n_slots = config.train.steps * config.train.slots
    task_of = assign_tasks(_mixture(config, corpus, library), n_slots, config.train.seed)
    tasks = {
        name: _examples(
            name, int((task_of == i).sum()) * task.examples, config, corpus, bundle, library, pairs
        )
        for i, (name, task) in enumerate(config.train.tasks.items())
    }
    return tasks, task_of


def trained_items(corpus: Corpus) -> np.ndarray:
    """``(N,)`` bool: the items with a training event."""
    log = corpus.interactions
    counts = np.bincount(log.items[corpus.split.mask("train")], minlength=log.n_items)
    return np.asarray(counts > 0)


def _examples(
    task: str,
    n_examples: int,
    config: LearnerConfig,
    corpus: Corpus,
    bundle: Bundle,
    library: PromptLibrary,
    pairs: Path | None,
) -> TrainingExamples:
    if task == NEXT_ITEM:
        return next_item_examples(n_examples, config.train, corpus, bundle, pairs)
    seed, view = derive_seed(config.train.seed, STREAMS.get(task, task)), bundle.view(corpus)
    if task == RATING_SEQUENCE:
        events = corpus.interactions
        assert events.ratings is not None, "checked before anything was trained"
        every = config.train.next_item.model_copy(update={"targets": "next-event"})
        windows = history_windows(corpus, every, n_examples, seed)
        statistics = view.item_ratings if config.train.next_item.statistics else None
        return RatingSequenceExamples(
            windows, events.items, events.ratings, bundle.rated_histories(), statistics
        )
    examples = ExampleSource(view, library, {task: 1.0}, n_examples, seed, config.prompts)
    target_of = None
    if config.train.permute_targets:
        target_of = derive_rng(seed, "answers").permutation(n_examples)
    return PromptExamples(examples, bundle.tokenizer, config.train.max_tokens, target_of)


def history_windows(
    corpus: Corpus, config: NextItemConfig, n_examples: int | None, seed: int
) -> Windows:
    """Windows of the training histories: ``n_examples``, or those of one epoch."""
    return Windows(
        corpus.interactions,
        corpus.split,
        config.window,
        n_examples,
        seed,
        config.targets,
        shuffle_ties=config.shuffle_ties,
    )


def history_examples(
    config: TrainConfig, corpus: Corpus, bundle: Bundle, n_examples: int | None
) -> NextItemExamples:
    """Examples of the task ``next-item``: ``n_examples``, or those of one epoch."""
    events, seed = corpus.interactions, derive_seed(config.seed, "dense")
    windows = history_windows(corpus, config.next_item, n_examples, seed)
    return NextItemExamples(windows, events.items, bundle.layout, bundle.bos, config.next_item)


def next_item_examples(
    n_examples: int, config: TrainConfig, corpus: Corpus, bundle: Bundle, pairs: Path | None
) -> TrainingExamples:
    """Examples of the task ``next-item`` for the objective of the training.

    Args:
        n_examples: their number.
        pairs: for preference objectives: a folder of
            :func:`p5rec.train.alignment.hard_negatives.mine_negatives`.
    """
    match config.align:
        case PreferenceConfig():
            assert pairs is not None, "mined before"
            examples = history_examples(config, corpus, bundle, None)
            return PreferenceExamples(examples, load_pairs(pairs), n_examples)
        case GroupConfig(positions=positions):
            examples = history_examples(config, corpus, bundle, n_examples)
            return SampledExamples(examples, positions, derive_seed(config.seed, "draw"))
    return history_examples(config, corpus, bundle, n_examples)


def epoch_sizes(config: LearnerConfig, corpus: Corpus, library: PromptLibrary) -> dict[str, int]:
    """The number of examples of each task in an epoch."""
    view = unnamed_view(corpus)
    windows = history_windows(corpus, config.train.next_item, 0, 0)
    sizes = dict.fromkeys(config.train.tasks, windows.epoch_windows)
    for family in library.families():
        task = TASKS.get(library.family(family).task)
        sizes[family] = len(task.rows(view, "train"))
    return sizes


def _mixture(
    config: LearnerConfig, corpus: Corpus, library: PromptLibrary
) -> dict[str, TaskConfig]:
    """The tasks with their sampling shares."""
    tasks, temperature = config.train.tasks, config.train.temperature
    if temperature is None:
        return tasks
    return tempered(tasks, epoch_sizes(config, corpus, library), temperature)
