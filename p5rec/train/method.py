"""One generative method: a backbone, what it is taught, how it is asked; and its training."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from pydantic import model_validator

from p5rec.backbones.config import BackboneConfig
from p5rec.core.artefacts import Lineage
from p5rec.core.config import Config
from p5rec.core.errors import UserError, did_you_mean
from p5rec.core.launch import processes, rank
from p5rec.core.rng import derive_seed
from p5rec.core.types import Corpus, ItemCodes
from p5rec.ids.tokens import item_strings
from p5rec.models.checkpoint import Bundle, BundleSettings, build, save_bundle
from p5rec.prompting import tasks as prompt_tasks
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.source import ExampleSource, PromptsConfig, unavailable
from p5rec.prompting.view import CorpusView, ItemNames
from p5rec.recommend.config import DecodeConfig

from .config import TrainConfig
from .dense import DENSE, DENSE_RATING, DenseRatingRows, DenseRows
from .mixture import assign_tasks, occurrence
from .prompted import PromptRows
from .rows import Rows
from .sft import fit
from .windows import Windows


class GenerativeConfig(Config):
    """A method of a recipe."""

    ids: str = "semantic"  # which of the recipe's ids
    backbone: BackboneConfig = BackboneConfig()
    train: TrainConfig = TrainConfig()
    prompts: PromptsConfig = PromptsConfig()
    decode: DecodeConfig = DecodeConfig()

    def reseeded(self, n: int) -> GenerativeConfig:
        """The same with ``n`` added to the seed of its training."""
        train = self.train.model_copy(update={"seed": self.train.seed + n})
        return self.model_copy(update={"train": train})

    @model_validator(mode="after")
    def _quantised_needs_adapters(self) -> GenerativeConfig:
        if self.backbone.quantize and self.backbone.lora is None:
            raise ValueError("a quantized backbone trains through adapters only: set backbone.lora")
        return self


def settings_of(config: GenerativeConfig, corpus: Corpus) -> BundleSettings:
    """What a bundle of this method remembers."""
    rated = {"rating", DENSE_RATING} & set(config.train.tasks)
    return BundleSettings(
        backbone=config.backbone,
        seed=config.train.seed,
        scale=tuple(np.unique(_train_ratings(corpus)).tolist()) if rated else (),
        tasks=tuple(config.train.tasks),
        window=config.train.dense.window,
        max_tokens=config.train.max_tokens,
        prompts=config.prompts,
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
) -> Lineage:
    """Trains the method and leaves ``folder/bundle`` and ``folder/metrics.jsonl``.

    A folder with the checkpoints of an interrupted run is continued to the same result.

    Args:
        validate: measures the model every ``config.train.evaluate_every`` steps, for the record.

    Raises:
        UserError: a task is unknown, or the data cannot offer what it needs.
    """
    library = taught_prompts(config)
    settings = settings_of(config, corpus)
    bundle = build(settings, codes, corpus.catalog.ids, library.subset_dump())
    if bundle.model.heads is not None:
        bundle.model.heads.start_at(torch.from_numpy(_train_ratings(corpus)))
    tasks, task_of = lessons(config, corpus, bundle, library)
    fit(
        bundle.model, bundle.tokenizer, tasks, task_of, occurrence(task_of), config.train, folder,
        None if validate is None else partial(validate, bundle),
    )  # fmt: skip
    lineage = Lineage(corpus.split.mask("train"))
    if rank() == 0:
        about = {
            "prompts": library.hashes(),
            "train": config.train.dump(),
            "lineage": lineage.summary(),
        }
        save_bundle(bundle, folder / "bundle", about)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return lineage


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
    stand_ins = [f"<{row}>" for row in range(len(corpus.catalog))]  # the ids are not made yet
    view = CorpusView(corpus, ItemNames(stand_ins, corpus.catalog.titles))
    faults: list[str] = []
    for name, method in methods.items():
        library = taught_prompts(method)
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
    config: GenerativeConfig, corpus: Corpus, bundle: Bundle, library: PromptLibrary
) -> tuple[dict[str, Rows], np.ndarray]:
    """The rows of each task that the training reads, and ``(R,)`` each row's task."""
    step = config.train.batch * config.train.accumulate * processes()
    task_of = assign_tasks(config.train.tasks, config.train.steps * step, config.train.seed)
    counts = np.bincount(task_of, minlength=len(config.train.tasks))
    tasks = {
        name: _rows(name, int(count), config, corpus, bundle, library)
        for name, count in zip(config.train.tasks, counts, strict=True)
    }
    return tasks, task_of


def _rows(
    task: str,
    n_rows: int,
    config: GenerativeConfig,
    corpus: Corpus,
    bundle: Bundle,
    library: PromptLibrary,
) -> Rows:
    seed = derive_seed(config.train.seed, task)
    events, dense = corpus.interactions, config.train.dense
    if task in (DENSE, DENSE_RATING):
        windows = Windows(events, corpus.split, dense, n_rows, seed)
        if task == DENSE:
            return DenseRows(windows, events.items, bundle.layout, bundle.bos, dense.item_dropout)
        assert events.ratings is not None, "checked before anything was trained"
        return DenseRatingRows(windows, events.items, events.ratings, bundle.rated_histories())
    view = prompt_view(corpus, bundle.layout.codes)
    examples = ExampleSource(view, library, {task: 1.0}, n_rows, seed, config.prompts)
    return PromptRows(examples, bundle.tokenizer, config.train.max_tokens)
