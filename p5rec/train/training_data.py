"""What a method is trained on: the rows of each of its tasks."""

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
from .examples.histories import NextItemExamples, RatingSequenceExamples
from .examples.prompted import PromptExamples
from .examples.example import TrainingExamples
from .learner import LearnerConfig
from .schedule import assign_tasks, tempered

# random streams of the tasks that have one of another name
STREAMS = {NEXT_ITEM: "dense", RATING_SEQUENCE: "dense-rating"}


def build_training_data(
    config: LearnerConfig,
    corpus: Corpus,
    bundle: Bundle,
    library: PromptLibrary,
    pairs: Path | None = None,
) -> tuple[dict[str, TrainingExamples], np.ndarray]:
    """The rows of each task that the training reads, and ``(S,)`` each slot's task.

    Args:
        corpus: what is learned from (:func:`p5rec.train.config.TrainConfig.training_events`).
    """
    n_slots = config.train.steps * config.train.slots
    task_of = assign_tasks(_mixture(config, corpus, library), n_slots, config.train.seed)
    tasks = {
        name: _rows(
            name, int((task_of == i).sum()) * task.examples, config, corpus, bundle, library, pairs
        )
        for i, (name, task) in enumerate(config.train.tasks.items())
    }
    return tasks, task_of


def shown(corpus: Corpus) -> np.ndarray:
    """``(N,)`` bool: the items with a training event."""
    log = corpus.interactions
    found: np.ndarray = (
        np.bincount(log.items[corpus.split.mask("train")], minlength=log.n_items) > 0
    )
    return found


def _rows(
    task: str,
    n_rows: int,
    config: LearnerConfig,
    corpus: Corpus,
    bundle: Bundle,
    library: PromptLibrary,
    pairs: Path | None,
) -> TrainingExamples:
    if task == NEXT_ITEM:
        return next_item_examples(n_rows, config.train, corpus, bundle, pairs)
    seed, view = derive_seed(config.train.seed, STREAMS.get(task, task)), bundle.view(corpus)
    if task == RATING_SEQUENCE:
        events = corpus.interactions
        assert events.ratings is not None, "checked before anything was trained"
        every = config.train.next_item.model_copy(update={"targets": "next-event"})
        windows = history_windows(corpus, every, n_rows, seed)
        known = view.item_ratings if config.train.next_item.statistics else None
        return RatingSequenceExamples(
            windows, events.items, events.ratings, bundle.rated_histories(), known
        )
    examples = ExampleSource(view, library, {task: 1.0}, n_rows, seed, config.prompts)
    answered_by = None
    if config.train.permute_targets:
        answered_by = derive_rng(seed, "answers").permutation(n_rows)
    return PromptExamples(examples, bundle.tokenizer, config.train.max_tokens, answered_by)


def history_windows(
    corpus: Corpus, config: NextItemConfig, n_rows: int | None, seed: int
) -> Windows:
    """The training histories in windows; as many as asked, or those of one epoch."""
    return Windows(
        corpus.interactions,
        corpus.split,
        config.window,
        n_rows,
        seed,
        config.targets,
        shuffle_ties=config.shuffle_ties,
    )


def history_examples(
    config: TrainConfig, corpus: Corpus, bundle: Bundle, n_rows: int | None
) -> NextItemExamples:
    """Histories for the task ``next-item``; as many as asked, or those of one epoch."""
    events, seed = corpus.interactions, derive_seed(config.seed, "dense")
    windows = history_windows(corpus, config.next_item, n_rows, seed)
    return NextItemExamples(windows, events.items, bundle.layout, bundle.bos, config.next_item)


def next_item_examples(
    n_rows: int, config: TrainConfig, corpus: Corpus, bundle: Bundle, pairs: Path | None
) -> TrainingExamples:
    """Rows of the task ``next-item``.

    Args:
        n_rows: how many.
        pairs: a folder of :func:`p5rec.train.alignment.hard_negatives.mine`, where the objective compares.
    """
    match config.align:
        case PreferenceConfig():
            assert pairs is not None, "made before"
            rows = history_examples(config, corpus, bundle, None)
            return PreferenceExamples(rows, load_pairs(pairs), n_rows)
        case GroupConfig(positions=positions):
            rows = history_examples(config, corpus, bundle, n_rows)
            return SampledExamples(rows, positions, derive_seed(config.seed, "draw"))
    return history_examples(config, corpus, bundle, n_rows)


def epoch_sizes(config: LearnerConfig, corpus: Corpus, library: PromptLibrary) -> dict[str, int]:
    """How many examples each task has."""
    view = unnamed_view(corpus)
    windows = history_windows(corpus, config.train.next_item, 0, 0)
    sizes = dict.fromkeys(config.train.tasks, windows.epoch_windows)
    for family in library.families():
        posed = TASKS.get(library.family(family).task)
        sizes[family] = len(posed.rows(view, "train"))
    return sizes


def _mixture(
    config: LearnerConfig, corpus: Corpus, library: PromptLibrary
) -> dict[str, TaskConfig]:
    """The tasks with the shares that they are drawn by."""
    tasks, temperature = config.train.tasks, config.train.temperature
    if temperature is None:
        return tasks
    return tempered(tasks, epoch_sizes(config, corpus, library), temperature)
