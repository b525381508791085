"""The training data of a method: the examples of each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from p5rec.core.rng import derive_rng, derive_seed
from p5rec.core.types import Corpus
from p5rec.data.windows import Windows
from p5rec.models.bundle import Bundle
from p5rec.models.config import NEXT_ITEM, RATING_SEQUENCE
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.source import ExampleSource, FamilyExamples
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import DATA_ALONE, Shown, unnamed_view

from .alignment.data import PreferenceExamples, SampledExamples, load_pairs
from .config import (
    SEQUENCES,
    GroupConfig,
    NextItemConfig,
    PreferenceConfig,
    TaskConfig,
    TrainConfig,
)
from .examples.example import NoExamples, TrainingExamples
from .examples.histories import NextItemExamples, RatingSequenceExamples
from .examples.prompted import PromptExamples
from .examples.shared import Branches, SharedHistoryExamples, draw_event, draw_prompts, draw_rows
from .learner import LearnerConfig, about_users
from .schedule import assign_tasks, tempered

# names of random streams that differ from the task's name
STREAMS = {NEXT_ITEM: "dense", RATING_SEQUENCE: "dense-rating"}


def build_training_data(
    config: LearnerConfig,
    corpus: Corpus,
    bundle: Bundle,
    library: PromptLibrary,
    pairs: Path | None = None,
    shown: Shown = DATA_ALONE,
) -> tuple[dict[str, TrainingExamples], np.ndarray]:
    """The examples of each task of the training, and the task ``(S,)`` of each slot.

    Args:
        corpus: with the training events (:func:`p5rec.train.config.TrainConfig.training_events`).
        shown: what prompts show besides.
    """
    n_slots = config.train.steps * config.train.slots
    mixture = _mixture(config, corpus, library)
    sharing = of_histories(config.train, library)
    task_of = assign_tasks(_joint(mixture, sharing), n_slots, config.train.seed)
    counts = np.bincount(task_of, minlength=len(mixture)).tolist()
    tasks: dict[str, TrainingExamples] = {}
    for (name, task), count in zip(config.train.tasks.items(), counts, strict=True):
        if name not in sharing:
            tasks[name] = _examples(
                name, count * task.examples, config, corpus, bundle, library, pairs, shown
            )
        elif name == sharing[0]:
            tasks[name] = _shared_histories(count, config, mixture, corpus, bundle, library)
        else:
            tasks[name] = NoExamples()
    return tasks, task_of


def of_histories(config: TrainConfig, library: PromptLibrary) -> list[str]:
    """The tasks whose examples share histories, first one of whole histories; empty: none do."""
    if config.shared_history is None:
        return []
    sequences = [name for name in config.tasks if name in SEQUENCES]
    families = [
        name for name in config.tasks if name in library.specs and about_users(library.family(name))
    ]
    return sequences + families


def _joint(mixture: Mapping[str, TaskConfig], sharing: Sequence[str]) -> dict[str, TaskConfig]:
    """The mixture in which the slots of all tasks in ``sharing`` are slots of the first one."""
    shares = {name: task.share for name, task in mixture.items()}
    if sharing:
        total = sum(shares[name] for name in sharing)
        shares |= dict.fromkeys(sharing, 0.0) | {sharing[0]: total}
    return {name: task.model_copy(update={"share": shares[name]}) for name, task in mixture.items()}


def _shared_histories(
    n_examples: int,
    config: LearnerConfig,
    mixture: Mapping[str, TaskConfig],
    corpus: Corpus,
    bundle: Bundle,
    library: PromptLibrary,
) -> SharedHistoryExamples:
    """``n_examples`` histories with prompts of the families about users."""
    train, log, view = config.train, corpus.interactions, bundle.view(corpus)
    assert train.shared_history is not None, "the caller asked"
    seed = derive_seed(train.seed, "shared histories")
    windows = history_windows(corpus, train.next_item, n_examples, seed)
    names = list(train.tasks)
    families = [name for name in of_histories(train, library) if name not in SEQUENCES]
    total, branches = sum(mixture[name].share for name in families), []
    ends = draw_event(windows, seed) if bundle.model.seq2seq else None
    for family in families:
        eligible = np.zeros(len(log), dtype=bool)
        eligible[TASKS.get(library.family(family).task).rows(view, "train")] = True
        expected = train.shared_history.prompts * mixture[family].share / total
        if ends is None:
            drawn = draw_rows(windows, eligible, expected, seed, family)
        else:
            drawn = draw_prompts(windows, ends, eligible, expected, seed, family)
        examples = FamilyExamples(
            view, library, family, drawn.rows, derive_seed(train.seed, family), config.prompts
        )
        prompts = _prompts(family, examples, config, bundle)
        branches.append(Branches(names.index(family), drawn, prompts))
    return SharedHistoryExamples(
        windows,
        log.items,
        log.ratings if bundle.settings.scale else None,
        bundle.rated_histories(),
        branches,
        {name: names.index(name) for name in SEQUENCES if name in names},
        train.next_item,
        ends,
    )


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
    shown: Shown,
) -> TrainingExamples:
    if task == NEXT_ITEM:
        return next_item_examples(n_examples, config.train, corpus, bundle, pairs)
    seed, view = derive_seed(config.train.seed, STREAMS.get(task, task)), bundle.view(corpus, shown)
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
    return _prompts(task, examples, config, bundle)


def _prompts(
    family: str, examples: ExampleSource | FamilyExamples, config: LearnerConfig, bundle: Bundle
) -> PromptExamples:
    """Prompts of one family, their targets permuted for the permutation control."""
    target_of = None
    if config.train.permutes(family):
        target_of = derive_rng(examples.seed, "answers").permutation(len(examples))
    points = bundle.settings.points
    return PromptExamples(
        examples,
        bundle.tokenizer,
        config.train.max_tokens,
        target_of,
        1 if points is None else points.tokens,
    )


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
