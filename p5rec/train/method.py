"""One generative method: a backbone, what it is taught, how it is asked; and its training."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from pydantic import model_validator
from torch import Tensor

from p5rec.backbones.config import BackboneConfig
from p5rec.core.artefacts import Lineage
from p5rec.core.config import Config
from p5rec.core.errors import UserError, did_you_mean, fault
from p5rec.core.launch import rank
from p5rec.core.rng import derive_rng, derive_seed
from p5rec.core.types import Corpus, ItemCodes
from p5rec.data.swap import swapped
from p5rec.ids.tokens import item_strings
from p5rec.models.checkpoint import (
    MANIFEST,
    Bundle,
    BundleSettings,
    build,
    load_trainable,
    save_bundle,
)
from p5rec.models.config import HeadsConfig
from p5rec.models.start import begun_from, carry_over, origin
from p5rec.prompting import tasks as prompt_tasks
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.source import ExampleSource, PromptsConfig, unavailable
from p5rec.prompting.view import CorpusView, ItemNames
from p5rec.recommend.config import DecodeConfig

from .aligned import dense_rows, objective
from .config import TaskConfig, TrainConfig
from .dense import DENSE, DENSE_RATING, DenseRatingRows
from .mixture import assign_tasks, occurrence, tempered
from .prompted import PromptRows
from .rows import Rows
from .sft import fit
from .sharding import in_pieces
from .windows import Windows


class GenerativeConfig(Config):
    """A method of a recipe."""

    ids: str = "semantic"  # which of the recipe's ids
    backbone: BackboneConfig = BackboneConfig()
    train: TrainConfig = TrainConfig()
    heads: HeadsConfig = HeadsConfig()  # of ratings, where they are taught
    prompts: PromptsConfig = PromptsConfig()
    decode: DecodeConfig = DecodeConfig()
    # begin from what another method of the recipe has learned, or from a model's folder
    start: str | None = None

    def reseeded(self, n: int) -> GenerativeConfig:
        """The same with ``n`` added to the seed of its training."""
        train = self.train.model_copy(update={"seed": self.train.seed + n})
        return self.model_copy(update={"train": train})

    @model_validator(mode="after")
    def _aligns_what_is_trained(self) -> GenerativeConfig:
        if self.train.align and (self.start is None or DENSE not in self.train.tasks):
            raise ValueError(
                f"train.align needs a trained model and the task {DENSE}: set start, train.tasks"
            )
        return self

    @model_validator(mode="after")
    def _quantised_needs_adapters(self) -> GenerativeConfig:
        if self.backbone.quantize and self.backbone.lora is None:
            raise ValueError("a quantized backbone trains through adapters only: set backbone.lora")
        return self


def settings_of(config: GenerativeConfig, corpus: Corpus) -> BundleSettings:
    """What a bundle of this method remembers."""
    library, trained = taught_prompts(config), config.train.steps > 0
    rated = DENSE_RATING in config.train.tasks or any(
        library.family(name).task == "rating" for name in library.families()
    )
    return BundleSettings(
        backbone=config.backbone,
        seed=config.train.seed,
        scale=tuple(np.unique(_train_ratings(corpus)).tolist()) if rated else (),
        heads=config.heads if trained else HeadsConfig.none(),
        tasks=tuple(config.train.tasks),
        window=config.train.dense.window,
        statistics=config.train.dense.statistics,
        max_tokens=config.train.max_tokens,
        prompts=config.prompts,
        trained=trained,
        swapped=config.train.swap_users,
    )


def _train_ratings(corpus: Corpus) -> np.ndarray:
    ratings = corpus.interactions.ratings
    if ratings is None:
        return np.empty(0, dtype=np.float32)
    seen = ratings[corpus.split.mask("train")]
    return seen[np.isfinite(seen)]


def prompt_view(corpus: Corpus, codes: ItemCodes) -> CorpusView:
    """The corpus as prompts see it, items named by their codes."""
    return CorpusView(corpus, ItemNames(item_strings(codes), corpus.catalog.titles))


def _unnamed(corpus: Corpus) -> CorpusView:
    """The same before the items have codes: numbers stand in for them."""
    stand_ins = [f"<{row}>" for row in range(len(corpus.catalog))]
    return CorpusView(corpus, ItemNames(stand_ins, corpus.catalog.titles))


def taught_prompts(config: GenerativeConfig) -> PromptLibrary:
    """The prompt families among the method's tasks.

    Raises:
        UserError: a task is neither a dense one nor a family; a prompt file is faulty.
    """
    library = PromptLibrary.load(extra=[Path(f) for f in config.prompts.folders])
    families = [task for task in config.train.tasks if task not in (DENSE, DENSE_RATING)]
    known = (DENSE, DENSE_RATING, *library.families())
    if strange := [name for name in families if name not in known]:
        raise UserError(
            *(f"train.tasks: expected a task, got {n!r}; {did_you_mean(n, known)}" for n in strange)
        )
    return PromptLibrary({name: library.family(name) for name in families})


def train(
    config: GenerativeConfig,
    corpus: Corpus,
    codes: ItemCodes,
    folder: Path,
    validate: Callable[[Bundle], Mapping[str, float]] | None = None,
    *,
    start: Path | None = None,
    pairs: Path | None = None,
) -> Lineage:
    """Trains the method and leaves ``folder/bundle`` and ``folder/metrics.jsonl``.

    A folder with the checkpoints of an interrupted run is continued to the same result. With no
    steps to take the model stays as it is, and there are no metrics.

    Args:
        validate: measures the model every ``config.train.evaluate_every`` steps, for the record.
        start: the folder of a bundle to begin from, the one that ``config.start`` means.
        pairs: what alignment by preference learns from (:func:`p5rec.train.pairs.mine`).

    Raises:
        UserError: a task is unknown, the data cannot offer what it needs, or ``start`` is of
            another backbone.
    """
    library = taught_prompts(config)
    settings = settings_of(config, corpus)
    if start is not None:
        settings = begun_from(settings, start)
    bundle = build(settings, codes, corpus.catalog.ids, library.subset_dump())
    if bundle.model.heads is not None:
        bundle.model.heads.start_at(torch.from_numpy(_train_ratings(corpus)))
    if start is not None:
        carry_over(start, bundle)
    weights = {}
    if settings.trained:
        weights = _fit(config, corpus, bundle, library, folder, validate, pairs)
    lineage = Lineage(corpus.split.mask("train"))
    if rank() == 0:
        if in_pieces(bundle.model):
            bundle = build(settings, codes, corpus.catalog.ids, library.subset_dump())
            load_trainable(bundle.model, weights, folder)
        about = {
            "prompts": library.hashes(),
            "train": config.train.dump(),
            "lineage": lineage.summary(),
        }
        if start is not None:
            about["start"] = origin(start)
        save_bundle(bundle, folder / "bundle", about)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return lineage


def _fit(
    config: GenerativeConfig,
    corpus: Corpus,
    bundle: Bundle,
    library: PromptLibrary,
    folder: Path,
    validate: Callable[[Bundle], Mapping[str, float]] | None,
    pairs: Path | None,
) -> dict[str, Tensor]:
    tasks, task_of = lessons(config, corpus, bundle, library, pairs)
    return fit(
        bundle.model, bundle.tokenizer, tasks, task_of, occurrence(task_of), config.train, folder,
        None if validate is None else partial(validate, bundle),
        objective(config.train.align, bundle.model),
    )  # fmt: skip


def in_order(methods: Mapping[str, GenerativeConfig]) -> list[str]:
    """The methods' names, each after the one that it starts from.

    Raises:
        UserError: a start is neither a method nor a model's folder; or starts go round in a circle.
    """
    order: dict[str, None] = {}

    def place(name: str, above: tuple[str, ...] = ()) -> None:
        start = methods[name].start
        if name in above:
            circle = " > ".join((*above, name))
            raise fault(f"methods.{name}.start", "a first method", f"a circle ({circle})", "cut it")
        if start is not None and start in methods:
            place(start, (*above, name))
        elif start is not None and not (Path(start) / MANIFEST).is_file():
            raise fault(
                f"methods.{name}.start", "a method's name or a model's folder", repr(start),
                did_you_mean(start, [other for other in methods if other != name]),
            )  # fmt: skip
        order[name] = None

    for name in methods:
        place(name)
    return list(order)


def check_tasks(
    methods: Mapping[str, GenerativeConfig], asked: Collection[str], corpus: Corpus
) -> None:
    """Refuses what the data cannot teach or be asked, before anything is trained.

    Args:
        methods: by name.
        asked: families to be asked about the test part, of those that a method is taught.
        corpus: the data.

    Raises:
        UserError: a line for each task that cannot be.
    """
    view = _unnamed(corpus)
    faults: list[str] = []
    for name, method in methods.items():
        library = taught_prompts(method)
        if not method.train.steps:
            faults += _unreadable(name, method, library)
        if DENSE_RATING in method.train.tasks and view.scale is None:
            faults.append(
                f"methods.{name}: {DENSE_RATING} needs ratings, and the data have none; take it "
                "out of train.tasks"
            )
        for family in library.families():
            if reason := unavailable(library, family, view):
                faults.append(f"methods.{name}: {reason}; take it out of train.tasks")
            elif family in asked and (
                reason := prompt_tasks.unavailable(library.family(family).task, view, "test")
            ):
                faults.append(f"evaluate.ask: {reason}; take it out")
    if faults:
        raise UserError(*dict.fromkeys(faults))


def lessons(
    config: GenerativeConfig,
    corpus: Corpus,
    bundle: Bundle,
    library: PromptLibrary,
    pairs: Path | None = None,
) -> tuple[dict[str, Rows], np.ndarray]:
    """The rows of each task that the training reads, and ``(R,)`` each row's task."""
    if config.train.swap_users:
        corpus = swapped(corpus, ["train"], config.train.seed)
    n_rows = config.train.steps * config.train.rows
    task_of = assign_tasks(_mixture(config, corpus, library), n_rows, config.train.seed)
    tasks = {
        name: _rows(name, int((task_of == i).sum()), config, corpus, bundle, library, pairs)
        for i, name in enumerate(config.train.tasks)
    }
    return tasks, task_of


def _unreadable(name: str, method: GenerativeConfig, library: PromptLibrary) -> list[str]:
    """What cannot be asked of a model that knows no item codes, a line a task."""
    told = {
        t.family
        for t in library.templates(unseen=False)
        if not t.names_codes and t.answer not in ("item", "options")
    }
    return [
        f"methods.{name}: expected tasks in words alone where train.steps is 0, got {task!r}, "
        "which an untrained model cannot be asked; take it out of train.tasks"
        for task in method.train.tasks
        if task not in told
    ]


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
    seed, view = derive_seed(config.train.seed, task), prompt_view(corpus, bundle.layout.codes)
    if task == DENSE_RATING:
        events = corpus.interactions
        assert events.ratings is not None, "checked before anything was trained"
        windows = Windows(events, corpus.split, config.train.dense, n_rows, seed)
        known = view.item_ratings if config.train.dense.statistics else None
        return DenseRatingRows(
            windows, events.items, events.ratings, bundle.rated_histories(), known
        )
    examples = ExampleSource(view, library, {task: 1.0}, n_rows, seed, config.prompts)
    dealt = derive_rng(seed, "answers").permutation(n_rows)
    answered_by = dealt if config.train.permute_answers else None
    return PromptRows(examples, bundle.tokenizer, config.train.max_tokens, answered_by)


def epoch_sizes(config: GenerativeConfig, corpus: Corpus, library: PromptLibrary) -> dict[str, int]:
    """How many examples each task has."""
    view = _unnamed(corpus)
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
