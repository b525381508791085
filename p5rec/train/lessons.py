"""What a method is taught: the rows of each of its tasks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p5rec.core.rng import derive_rng, derive_seed
from p5rec.core.types import Corpus
from p5rec.models.checkpoint import Bundle
from p5rec.prompting import tasks as prompt_tasks
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.source import ExampleSource
from p5rec.prompting.view import unnamed_view

from .aligned import dense_rows
from .config import TaskConfig
from .dense import DENSE, DENSE_RATING, DenseRatingRows
from .method import GenerativeConfig
from .mixture import assign_tasks, tempered
from .prompted import PromptRows
from .rows import Rows
from .windows import Windows


def lessons(
    config: GenerativeConfig,
    corpus: Corpus,
    bundle: Bundle,
    library: PromptLibrary,
    pairs: Path | None = None,
) -> tuple[dict[str, Rows], np.ndarray]:
    """The rows of each task that the training reads, and ``(S,)`` each slot's task.

    Args:
        corpus: what is learned from (:func:`p5rec.train.learned_from.taught`).
    """
    n_slots = config.train.steps * config.train.slots
    task_of = assign_tasks(_mixture(config, corpus, library), n_slots, config.train.seed)
    tasks = {
        name: _rows(
            name, int((task_of == i).sum()) * task.rows, config, corpus, bundle, library, pairs
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
    config: GenerativeConfig,
    corpus: Corpus,
    bundle: Bundle,
    library: PromptLibrary,
    pairs: Path | None,
) -> Rows:
    if task == DENSE:
        return dense_rows(n_rows, config.train, corpus, bundle, pairs)
    seed, view = derive_seed(config.train.seed, task), bundle.view(corpus)
    if task == DENSE_RATING:
        events = corpus.interactions
        assert events.ratings is not None, "checked before anything was trained"
        windows = Windows(events, corpus.split, config.train.dense, n_rows, seed)
        known = view.item_ratings if config.train.dense.statistics else None
        return DenseRatingRows(
            windows, events.items, events.ratings, bundle.rated_histories(), known
        )
    examples = ExampleSource(view, library, {task: 1.0}, n_rows, seed, config.prompts)
    answered_by = None
    if config.train.permute_answers:
        answered_by = derive_rng(seed, "answers").permutation(n_rows)
    return PromptRows(examples, bundle.tokenizer, config.train.max_tokens, answered_by)


def epoch_sizes(config: GenerativeConfig, corpus: Corpus, library: PromptLibrary) -> dict[str, int]:
    """How many examples each task has."""
    view = unnamed_view(corpus)
    windows = Windows(corpus.interactions, corpus.split, config.train.dense, 0, 0)
    sizes = dict.fromkeys(config.train.tasks, windows.epoch_rows)
    for family in library.families():
        posed = prompt_tasks.get(library.family(family).task)
        sizes[family] = len(posed.rows(view, "train"))
    return sizes


def _mixture(
    config: GenerativeConfig, corpus: Corpus, library: PromptLibrary
) -> dict[str, TaskConfig]:
    """The tasks with the shares that they are drawn by."""
    tasks, temperature = config.train.tasks, config.train.temperature
    if temperature is None:
        return tasks
    return tempered(tasks, epoch_sizes(config, corpus, library), temperature)
