"""One generative method: a backbone, what it is taught, how it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import model_validator

from p5rec.backbones.pretrained import Pretrained
from p5rec.backbones.registry import AnyBackbone
from p5rec.core.config import Config
from p5rec.core.errors import UserError, did_you_mean
from p5rec.core.types import Corpus
from p5rec.models.config import DENSE, DENSE_RATING, HeadsConfig, ItemHeadConfig
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.source import PromptsConfig
from p5rec.recommend.config import DecodeConfig

from .config import LinearConfig, TrainConfig
from .schedule import in_steps

if TYPE_CHECKING:
    from p5rec.models.checkpoint import BundleSettings


class GenerativeConfig(Config):
    """A method of a recipe."""

    kind: Literal["generative"] = "generative"
    ids: str = "semantic"  # which of the recipe's ids
    backbone: AnyBackbone = Pretrained()
    train: TrainConfig = TrainConfig()
    heads: HeadsConfig = HeadsConfig()  # of ratings, where they are taught
    item_head: ItemHeadConfig | None = None  # score whole items beside their codes
    linear: LinearConfig | None = None  # add what a linear model says of the whole history
    prompts: PromptsConfig = PromptsConfig()
    decode: DecodeConfig = DecodeConfig()
    # begin from what another method of the recipe has learned, or from a model's folder
    start: str | None = None

    def reseeded(self, n: int) -> GenerativeConfig:
        """The same with ``n`` added to the seed of its training."""
        train = self.train.model_copy(update={"seed": self.train.seed + n})
        return self.model_copy(update={"train": train})

    def in_steps(self, corpus: Corpus) -> GenerativeConfig:
        """The same, its training told in steps (:func:`p5rec.train.schedule.in_steps`)."""
        return self.model_copy(update={"train": in_steps(self.train, corpus)})

    @model_validator(mode="after")
    def _aligns_what_is_trained(self) -> GenerativeConfig:
        if self.train.align and (self.start is None or DENSE not in self.train.tasks):
            raise ValueError(
                f"train.align needs a trained model and the task {DENSE}: set start, train.tasks"
            )
        return self

    @model_validator(mode="after")
    def _ranks_what_it_scores(self) -> GenerativeConfig:
        if self.decode.search == "items" and self.item_head is None:
            raise ValueError("decode.search: items ranks by an item head: set item_head")
        return self


def settings_of(config: GenerativeConfig, corpus: Corpus) -> BundleSettings:
    """What a bundle of this method remembers."""
    from p5rec.models.checkpoint import BundleSettings  # a config is read without torch

    library, trained = taught_prompts(config), config.train.steps > 0
    rated = DENSE_RATING in config.train.tasks or any(
        library.family(name).task == "rating" for name in library.families()
    )
    return BundleSettings(
        backbone=config.backbone,
        seed=config.train.seed,
        scale=tuple(np.unique(train_ratings(corpus)).tolist()) if rated else (),
        heads=config.heads if trained else HeadsConfig.none(),
        item_head=config.item_head if trained else None,
        tasks=tuple(config.train.tasks),
        window=config.train.dense.window,
        opens=config.train.dense.start == 1,
        statistics=config.train.dense.statistics,
        max_tokens=config.train.max_tokens,
        prompts=config.prompts,
        trained=trained,
        swapped=config.train.swap_users,
    )


def train_ratings(corpus: Corpus) -> np.ndarray:
    """Those that train, ``(n,)``; none where the data have none."""
    ratings = corpus.interactions.ratings
    if ratings is None:
        return np.empty(0, dtype=np.float32)
    seen = ratings[corpus.split.mask("train")]
    return seen[np.isfinite(seen)]


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
