"""A language model over items and its training, as the trainer needs to know them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from p5rec.backbones.pretrained import Pretrained
from p5rec.backbones.registry import AnyBackbone
from p5rec.core.config import Config
from p5rec.core.errors import UserError, did_you_mean
from p5rec.core.types import Corpus
from p5rec.models.config import DENSE, DENSE_RATING, HeadsConfig, ItemHeadConfig
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.source import PromptsConfig

from .config import TrainConfig
from .schedule import in_steps

if TYPE_CHECKING:
    from p5rec.models.checkpoint import BundleSettings


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

    def seeded(self, seed: int) -> Self:
        """The same, trained under ``seed``."""
        return self.model_copy(update={"train": self.train.model_copy(update={"seed": seed})})

    def in_steps(self, corpus: Corpus) -> Self:
        """The same, its training in steps (:func:`p5rec.train.schedule.in_steps`)."""
        return self.model_copy(update={"train": in_steps(self.train, corpus)})


def settings_of(config: LearnerConfig, corpus: Corpus) -> BundleSettings:
    """What a bundle of this learner remembers."""
    from p5rec.models.checkpoint import BundleSettings  # a config is read without torch

    library, trained = taught_prompts(config), config.train.steps > 0
    done = corpus.interactions.behaviours
    rated = DENSE_RATING in config.train.tasks or any(
        library.family(name).task == "rating" for name in library.families()
    )
    return BundleSettings(
        backbone=config.backbone,
        seed=config.train.seed,
        tie_seed=corpus.split.seed,
        scale=tuple(np.unique(train_ratings(corpus)).tolist()) if rated else (),
        heads=config.heads if trained else HeadsConfig.none(),
        item_head=config.item_head if trained else None,
        tasks=tuple(config.train.tasks),
        window=config.train.dense.window,
        opens=config.train.dense.start == 1,
        statistics=config.train.dense.statistics,
        behaviours=done.told_apart if done and trained and DENSE in config.train.tasks else (),
        max_tokens=config.train.max_tokens,
        prompts=config.prompts,
        trained=trained,
    )


def train_ratings(corpus: Corpus) -> np.ndarray:
    """Those that train, ``(n,)``; none where the data have none."""
    ratings = corpus.interactions.ratings
    if ratings is None:
        return np.empty(0, dtype=np.float32)
    seen = ratings[corpus.split.mask("train")]
    return seen[np.isfinite(seen)]


def taught_prompts(config: LearnerConfig) -> PromptLibrary:
    """The prompt families among the learner's tasks.

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
