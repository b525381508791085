"""The settings of ELM: a space, the language model that reads it, and its training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from p5rec.backbones.config import LoraSettings
from p5rec.backbones.pretrained import Pretrained
from p5rec.backbones.registry import AnyBackbone
from p5rec.backbones.vectors_config import MAX_TOKENS
from p5rec.core.artefacts import digest
from p5rec.models.config import AdapterConfig, HeadsConfig
from p5rec.prompting.source import PromptsConfig
from p5rec.tasks.registry import TASKS
from p5rec.train.config import TaskConfig, TrainConfig
from p5rec.train.learner import PointLearnerConfig

from ...base import Method
from ...folder import contents
from ...needs import Model, Need, Vectors

FAMILIES = tuple(name for name in TASKS if name.startswith("point-"))
QUERIED = frozenset(
    {"texts", "encoder", "max_tokens", "described", "max_new_tokens", "batch_tokens"}
)
Share = Annotated[float, Field(gt=0)]
SPACE, TEXTS = "space", "texts"  # inputs, and folders of stored vectors in a model


class SpaceSettings(Method):
    """A space of items, and how texts about its points are measured."""

    vectors: str | None = "items"
    """Vectors of the items, by their name in the recipe: the space. null: those of ``model``."""
    model: str | None = None
    """Method whose item vectors are the space: one of the recipe's, or a model's folder."""
    texts: str = "items"
    """Vectors of the items' texts by the same ``encoder``, by their name in the recipe. Generated
    texts are compared with them.
    """
    encoder: str = "minilm"
    """Text encoder of generated texts (``vectors.NAME.encoder``)."""
    max_tokens: int = Field(MAX_TOKENS, ge=1)
    """Most tokens of a text that the encoder reads."""
    described: Literal[
        "point-description", "point-title", "point-decade", "point-neighbours", "point-audience",
        "point-taste",
    ] = "point-description"  # fmt: skip
    """Prompt family, one of ``families``, whose text about a user's point ranks the items."""
    families: dict[str, Share] = dict.fromkeys(FAMILIES, 1.0)
    """Prompt families that are trained → their shares of the training prompts."""
    prompts: PromptsConfig = PromptsConfig(items="title")
    """How prompts are rendered."""

    capabilities = ("recommend", "describe")
    content_based = True
    untuned = Method.untuned | {"vectors", "model", "texts"}

    @property
    def tasks(self) -> tuple[str, ...]:
        """See :class:`p5rec.methods.base.Method`: the families that are trained."""
        return tuple(self.families)

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`p5rec.methods.base.Method`: the space."""
        if self.model is not None:
            return {SPACE: Model(self.model, _hash)}
        assert self.vectors is not None, "checked"
        return {SPACE: Vectors(self.vectors)}

    def query_needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`p5rec.methods.base.Method`: the vectors of texts."""
        return {TEXTS: Vectors(self.texts)}

    def fit_settings(self) -> dict[str, Any]:
        """See :class:`p5rec.methods.base.Method`: those of the training; the space enters the key
        as an input."""
        omitted = {*QUERIED, "vectors", "model"}
        return {n: value for n, value in super().fit_settings().items() if n not in omitted}

    @model_validator(mode="after")
    def _has_one_space(self) -> Self:
        if (self.vectors is None) == (self.model is None):
            raise ValueError("expected vectors or model, one of the two; set the other to null")
        return self

    @model_validator(mode="after")
    def _knows_its_families(self) -> Self:
        unknown = [name for name in (*self.families, self.described) if name not in FAMILIES]
        if unknown or self.described not in self.families:
            got = f"got {unknown[0]!r}" if unknown else f"got none of {self.described!r}"
            raise ValueError(f"families: expected some of {', '.join(FAMILIES)}, {got}")
        return self


class ElmSettings(SpaceSettings):
    """The language model and its training in two stages."""

    kind: Literal["elm"] = "elm"
    backbone: AnyBackbone = Pretrained(lora=LoraSettings(), items="tokens", item_embeddings=False)
    """The language model, with low-rank adapters, which the second stage trains."""
    adapter: AdapterConfig = AdapterConfig()
    """The adapter from the space to soft tokens."""
    train: TrainConfig = TrainConfig(steps=500, adapter_steps=250, max_tokens=192)
    """How it is trained: ``steps`` in all, the first ``adapter_steps`` on the adapter alone. Its
    tasks are the ``families``.
    """
    max_new_tokens: int = Field(48, ge=1)
    """Most tokens of a generated text."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Number format of queries."""
    batch_tokens: int = Field(8192, ge=1)
    """Prompt tokens read together, padding included."""

    collective = True

    def learner(self, seed: int) -> PointLearnerConfig:
        """The training of the language model under ``seed``."""
        tasks = {name: TaskConfig(share=share) for name, share in self.families.items()}
        return PointLearnerConfig(
            backbone=self.backbone,
            train=self.train.model_copy(update={"tasks": tasks, "seed": seed}),
            heads=HeadsConfig.none(),
            prompts=self.prompts.model_copy(update={"items": "title"}),
            adapter=self.adapter,
        )

    @property
    def stochastic(self) -> bool:  # type: ignore[override]
        """Whether it trains."""
        return self.train.steps > 0

    def first_seed(self, split_seed: int) -> int:
        """See :class:`p5rec.methods.base.Method`: that of the training."""
        return self.train.seed

    def check(self, ids: Mapping[str, Any]) -> Iterator[str]:
        """See :class:`p5rec.methods.base.Method`."""
        if self.train.adapter_steps > self.train.steps:
            yield (
                f"train.adapter_steps: expected at most steps ({self.train.steps}), got "
                f"{self.train.adapter_steps}; lower it"
            )

    @model_validator(mode="after")
    def _trains_points(self) -> Self:
        if self.train.tasks != TrainConfig().tasks:
            raise ValueError("train.tasks: expected none: they follow from families")
        if self.train.has_validation:
            raise ValueError("train: expected steps without validation checks")
        if self.backbone.item_embeddings:
            raise ValueError("backbone.item_embeddings: no prompt has codes; set it to false")
        return self


class CommonestSettings(SpaceSettings):
    """The commonest answer (control)."""

    kind: Literal["elm-commonest"] = "elm-commonest"


def _hash(model: Path) -> str:
    return digest(contents(model))
