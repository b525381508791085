"""The settings of PALR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from p5rec.backbones.pretrained import Pretrained
from p5rec.backbones.registry import AnyBackbone
from p5rec.models.config import HeadsConfig
from p5rec.prompting.source import PromptsConfig
from p5rec.train.config import TaskConfig, TrainConfig
from p5rec.train.learner import LearnerConfig

from ...needs import Need, Texts
from ...over_lists import OverLists
from ...registry import any_method

NEXT, AMONG = "next-list", "candidate-list"  # prompt families
# form of the profile → the training templates; the first is queried
TEMPLATES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    NEXT: {
        "none": ("from-history", "continue"),
        "read": ("from-profile", "continue-profile"),
        "written": ("profile-first", "continue-with-profile"),
    },
    AMONG: {
        "none": ("from-history", "select"),
        "read": ("from-profile", "select-with-profile"),
        "written": ("profile-first", "select-after-profile"),
    },
}
QUERIED = frozenset({"order", "weight", "batch_tokens"})  # settings that affect queries alone
RETRIEVER = "retriever"  # a setting, an input, and the folder of the retriever


class PalrSettings(OverLists):
    """The language model, its retriever, and how they are queried."""

    kind: Literal["palr"] = "palr"
    retriever: any_method(named=True)  # type: ignore[valid-type]
    """The method that finds the candidates: a section, or the name of one of the recipe's."""
    candidates: int = Field(20, ge=2)
    """Items that the retriever finds for each request, and that the language model orders."""
    profile: str | None = None
    """Texts about the users, by their name in the recipe, which prompts show; set ``data.profile``,
    so that they show no training target. null: prompts show histories alone.
    """
    requests: Literal[1, 2] = 2
    """With ``profile``. 2: the text about the user is a request of its own, and the prompt of the
    list shows it. 1: the language model writes a text like it before the list.
    """
    permute_profiles: bool = False
    """Permutation control: prompts show another user's text, in training and in queries."""
    choosing: float = Field(0.75, ge=0, lt=1)
    """Share of the training prompts that show candidates; the others ask for the next items. 0:
    PALR v1, whose prompts never show candidates.
    """
    backbone: AnyBackbone = Pretrained()
    """The language model."""
    train: TrainConfig = TrainConfig()
    """How it is trained. Its tasks follow from ``choosing``."""
    prompts: PromptsConfig = PromptsConfig(items="title")
    """How prompts are rendered. Candidates and templates follow from the settings above."""
    order: Literal["model", "random"] = "model"
    """Order of the candidates: as the language model lists them, or all at random (control: compare
    the first ``length`` items, because the retriever orders the rest of the model's list).
    """
    weight: float | None = Field(None, ge=0, le=1)
    """Weight of the retriever's rank in the reciprocal rank fusion with the language model's. null:
    validation chooses.
    """
    length: int = Field(10, ge=1)
    """Titles that the language model lists; other candidates follow in the retriever's order."""
    beams: int = Field(1, ge=1)
    """Lists that decoding compares at each step. 1: greedy decoding."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Number format of queries."""
    batch_tokens: int = Field(8192, ge=1)
    """Prompt tokens read together, padding included."""

    ranking = RETRIEVER
    validates_during_fit = True
    untuned = OverLists.untuned | {"retriever", "profile"}

    @property
    def form(self) -> str:
        """The form of the profile in prompts: ``none``, ``read`` or ``written``."""
        return "none" if self.profile is None else "read" if self.requests == 2 else "written"

    @property
    def queried(self) -> str:
        """The id of the template of queries."""
        family = AMONG if self.choosing else NEXT
        return f"{family}.{TEMPLATES[family][self.form][0]}"

    def learner(self, seed: int) -> LearnerConfig:
        """The training of the language model under ``seed``."""
        shares = {NEXT: 1 - self.choosing, AMONG: self.choosing}
        tasks = {name: TaskConfig(share=share) for name, share in shares.items() if share}
        names = tuple(f"{name}.{each}" for name in tasks for each in TEMPLATES[name][self.form])
        update = {"items": "title", "candidates": self.candidates, "templates": names}
        return LearnerConfig(
            backbone=self.backbone,
            train=self.train.model_copy(update={"tasks": tasks, "seed": seed}),
            heads=HeadsConfig(regression=None, classification=None),
            prompts=self.prompts.model_copy(update=update),
        )

    @property
    def reads_texts(self) -> str | None:
        """See :class:`p5rec.methods.over_lists.OverLists`: the profiles."""
        return self.profile

    @property
    def content_based(self) -> bool:  # type: ignore[override]
        """Whether the retriever is."""
        return self.finder is not None and self.finder.content_based

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`p5rec.methods.base.Method`: the retriever, and the texts."""
        texts = {} if self.profile is None else {"profile": Texts(self.profile)}
        return {**self.query_needs(seed), **texts}

    def fit_settings(self) -> dict[str, Any]:
        """See :class:`p5rec.methods.base.Method`: those of the training; the retriever and the
        texts enter the key as inputs."""
        omitted = {*QUERIED, RETRIEVER, "profile"}
        return {n: v for n, v in super().fit_settings().items() if n not in omitted}

    @property
    def needs_validation(self) -> bool:
        """See :class:`p5rec.methods.base.Method`: for the weight, or for the retriever."""
        return self.weight is None or super().needs_validation

    @model_validator(mode="after")
    def _has_profiles(self) -> Self:
        if self.profile is None and (self.permute_profiles or self.requests == 1):
            raise ValueError("permute_profiles and requests: 1 need a profile: name its texts")
        return self
