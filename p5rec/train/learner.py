"""Settings of a language model over items and of its training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from pydantic import model_validator

from p5rec.backbones.pretrained import Pretrained
from p5rec.backbones.registry import AnyBackbone
from p5rec.core.config import Config
from p5rec.core.errors import UserError
from p5rec.core.types import Corpus
from p5rec.models.config import (
    NEXT_ITEM,
    RATING_SEQUENCE,
    AdapterConfig,
    HeadsConfig,
    ItemHeadConfig,
)
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.source import PromptsConfig
from p5rec.prompting.template import FamilySpec
from p5rec.tasks.registry import TASKS

from .config import SEQUENCES, TrainConfig
from .schedule import epochs_to_steps

if TYPE_CHECKING:
    from p5rec.models.bundle import BundleSettings


class LearnerConfig(Config):
    """A language model, its heads and its training."""

    backbone: AnyBackbone = Pretrained()
    """The network: a pretrained language model, or a compact one trained from scratch."""
    train: TrainConfig = TrainConfig()
    """How it is trained."""
    heads: HeadsConfig = HeadsConfig()
    """Prediction heads of ratings."""
    item_head: ItemHeadConfig | None = None
    """Head that scores the full catalogue with one softmax, beside the codes. null: items are
    scored by their codes alone.
    """
    prompts: PromptsConfig = PromptsConfig()
    """How records become prompts."""

    @model_validator(mode="after")
    def _predicts_codes_where_needed(self) -> Self:
        if self.item_head is None or not self.item_head.alone:
            return self
        needs_codes = {
            "train.tasks": sorted(self.train.tasks.keys() - {NEXT_ITEM}),
            "train.align": "a preference objective" if self.train.align else "",
            "backbone.items": "" if self.backbone.items == "positions" else self.backbone.items,
        }
        if got := [f"{key} {value}" for key, value in needs_codes.items() if value]:
            raise ValueError(
                "item_head.codes: 0 trains no search over codes: expected only the task "
                f"{NEXT_ITEM} and items: positions, got {', '.join(got)}; raise item_head.codes"
            )
        return self

    def seeded(self, seed: int) -> Self:
        """A copy with ``train.seed`` set to ``seed``."""
        return self.model_copy(update={"train": self.train.model_copy(update={"seed": seed})})

    def epochs_to_steps(self, corpus: Corpus) -> Self:
        """A copy with epochs converted to steps (:func:`p5rec.train.schedule.epochs_to_steps`)."""
        return self.model_copy(update={"train": epochs_to_steps(self.train, corpus)})


class PointLearnerConfig(LearnerConfig):
    """A language model whose prompts hold vectors."""

    adapter: AdapterConfig = AdapterConfig()
    """How vectors become soft tokens."""


def settings_of(config: LearnerConfig, corpus: Corpus) -> BundleSettings:
    """The bundle settings of a learner."""
    from p5rec.models.bundle import BundleSettings  # a config is read without torch

    library, trained = training_prompts(config), config.train.steps > 0
    behaviours = corpus.interactions.behaviours
    rated = RATING_SEQUENCE in config.train.tasks or any(
        library.family(name).task == "rating" for name in library.families()
    )
    distinguished: tuple[str, ...] = ()
    if behaviours and trained and NEXT_ITEM in config.train.tasks:
        distinguished = behaviours.vocabulary
    knowledge = config.prompts.read_knowledge()
    return BundleSettings(
        backbone=config.backbone,
        seed=config.train.seed,
        tie_seed=corpus.split.seed,
        scale=tuple(np.unique(train_ratings(corpus)).tolist()) if rated else (),
        heads=config.heads if trained else HeadsConfig.none(),
        item_head=config.item_head if trained else None,
        tasks=tuple(config.train.tasks),
        window=config.train.next_item.window,
        prepend_bos=config.train.next_item.bos_probability == 1,
        statistics=config.train.next_item.statistics,
        shared_history=config.train.shared_history is not None,
        behaviours=distinguished,
        max_tokens=config.train.max_tokens,
        prompts=config.prompts,
        facts=knowledge.facts if knowledge else (),
        trained=trained,
    )


def train_ratings(corpus: Corpus) -> np.ndarray:
    """The ratings of the training events, ``(n,)``; empty if the data have no ratings."""
    ratings = corpus.interactions.ratings
    if ratings is None:
        return np.empty(0, dtype=np.float32)
    observed = ratings[corpus.split.mask("train")]
    return observed[np.isfinite(observed)]


def training_prompts(config: LearnerConfig) -> PromptLibrary:
    """The library of the prompt families among the learner's tasks, with the templates that its
    training uses.

    Raises:
        UserError: a task is unknown, a prompt file is invalid, or a family has no such template.
    """
    library = prompt_library(config)
    if errors := unknown_tasks(config, library):
        raise UserError(*errors)
    chosen, sharing = {}, config.train.shared_history is not None
    for name in _families(config):
        family = library.family(name)
        after_history = sharing and about_users(family)
        chosen[name] = family.only(after_history=after_history).named(config.prompts.templates)
        if not chosen[name].templates:
            raise UserError(
                f"train.tasks.{name}: expected a template "
                f"{'with' if after_history else 'without'} after_history, got none; add one to the "
                "family, or take it out"
            )
    return PromptLibrary(chosen)


def about_users(family: FamilySpec) -> bool:
    """Whether the prompts of a family are about events of users."""
    return TASKS.get(family.task).of == "events"


def prompt_library(config: LearnerConfig) -> PromptLibrary:
    """The shipped prompt families and those in the learner's own folders.

    Raises:
        UserError: a prompt file is invalid.
    """
    return PromptLibrary.load(extra=[Path(f) for f in config.prompts.folders])


def unknown_tasks(config: LearnerConfig, library: PromptLibrary) -> list[str]:
    """One line for each task that is neither one of sequences nor a family of ``library``."""
    todo = "add the folder of a family of your own to prompts.folders"
    return [
        f"train.tasks.{name}: {library.unknown(name, SEQUENCES)} ({todo})"
        for name in _families(config)
        if name not in library.specs
    ]


def _families(config: LearnerConfig) -> list[str]:
    """The learner's tasks that are prompt families."""
    return [task for task in config.train.tasks if task not in SEQUENCES]
