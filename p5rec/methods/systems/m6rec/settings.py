"""The settings of M6-Rec: texts, network and training, shared by its kinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from p5rec.backbones.pretrained import Pretrained
from p5rec.backbones.registry import BACKBONES, AnyBackbone
from p5rec.core.code import Work
from p5rec.core.config import Config
from p5rec.core.errors import UserError
from p5rec.core.registry import Registry
from p5rec.prompting.template import names

from ...base import LISTS, Method
from ...baselines.iterative import IterativeMethod
from ...click.settings import CLICKS
from ...named import names_in, not_fixed, resolve
from ...needs import Component, DerivedArtefact, Need
from ...registry import any_method

WORK = Registry(
    "work of M6-Rec", {"segments": "p5rec.methods.systems.m6rec.segments:write_segments"}
)
SEGMENTS, TEACHER = "segments", "teacher"  # inputs of a fit


def _over(*slots: str) -> Any:
    def check(text: str) -> str:
        if unknown := names(text) - {*slots}:
            raise ValueError(f"expected the slots {sorted(slots)}, got {min(unknown)!r}")
        return text

    return Annotated[str, AfterValidator(check)]


ItemText = _over("title", "attributes")
UserText = _over("user_attributes")


class SegmentTexts(Config):
    """The texts of the segments; each is read on its own below the cache."""

    user: UserText = "A user, {user_attributes},"  # type: ignore[valid-type]
    """Text about the user, over the slot ``{user_attributes}``."""
    liked: ItemText = " liked {title},"  # type: ignore[valid-type]
    """A behaviour with a positive label, over ``{title}`` and ``{attributes}``."""
    disliked: ItemText = " disliked {title},"  # type: ignore[valid-type]
    """A behaviour with a negative label."""
    chosen: ItemText = " chose {title},"  # type: ignore[valid-type]
    """A behaviour without a label."""
    item: ItemText = " is now recommended {title}, {attributes}."  # type: ignore[valid-type]
    """The item in question. The end token follows."""
    max_tokens: int = Field(default=48, ge=1)
    """Most tokens of a segment."""


class M6Settings(IterativeMethod):
    """The network, what it reads, and its training."""

    backbone: AnyBackbone = Pretrained(lora=None)
    """The language model."""
    cached_layers: int = Field(default=0, ge=0)
    """Lowest blocks of the backbone, which read each segment on its own and are frozen. Their
    states are stored (multi-segment late interaction). 0: all blocks read all segments together.
    """
    texts: SegmentTexts = SegmentTexts()
    """Texts of the segments."""
    history: int = Field(default=8, ge=0)
    """Latest events that are read."""
    soft_prompts: int = Field(default=8, ge=2)
    """Trained embeddings before all texts. With labels, the last two are the weights of the classes
    no and yes (option tuning).
    """
    tuning: Literal["option", "option-adapter", "full"] = "option-adapter"
    """What is trained. ``option``: the soft prompts. ``option-adapter``: an adapter after each
    feed-forward module above the cache, too. ``full``: all weights above the cache.
    """
    adapter_rank: int = Field(default=64, ge=1)
    """Width of an adapter."""
    permuted: bool = False
    """Permutation control: each item has the text of another."""
    rows: int = Field(default=20_000, ge=2)
    """Most training rows, drawn at random."""
    learning_rate: float = Field(default=1e-3, gt=0)
    batch: int = Field(default=32, ge=2)
    """Rows of a step."""
    ema_epochs: float = Field(default=0.2, ge=0)
    epochs: int = Field(default=1, ge=1)
    """Most epochs over the rows."""
    patience: int = Field(default=0, ge=0)
    """Epochs without progress on validation before training stops. 0: train all ``epochs``, without
    validation checks.
    """
    precision: Literal["float32", "bfloat16"] = "float32"
    """Number format of matrix products, in training and in predictions."""

    embeds_items = False
    validates_during_fit = False
    content_based = True
    untuned: ClassVar[frozenset[str]] = Method.untuned | {"texts", "backbone", "permuted"}

    @property
    def fitted_by(self) -> tuple[Work, ...]:
        """See :class:`p5rec.methods.base.Method`: also the backbone."""
        return (*super().fitted_by, BACKBONES.target(self.backbone.kind))

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`p5rec.methods.base.Method`: the stored states of the segments."""
        read = ("backbone", "cached_layers", "texts", "precision")
        settings = {name: value for name, value in self.dump().items() if name in read}
        files = self.backbone.fingerprint()
        states = DerivedArtefact(
            "segment-states",
            partial(WORK.get("segments"), self, seed),
            (WORK.target("segments"), BACKBONES.target(self.backbone.kind)),
            {**settings, "seed": seed, "files": files},
        )
        return {SEGMENTS: states}


class ScoringSettings(M6Settings):
    """Click prediction by option tuning."""

    kind: Literal["m6-rec"] = "m6-rec"
    teacher: any_method(named=True) | None = None  # type: ignore[valid-type]
    """Method of the recipe, of this kind, from whose predictions it is distilled. null: none."""
    distillation: float = Field(default=0.5, ge=0, le=1)
    """With ``teacher``: weight of the teacher's predictions in the loss; the labels have the rest.
    """

    capabilities = CLICKS
    untuned: ClassVar[frozenset[str]] = M6Settings.untuned | {"teacher"}

    def method_names(self) -> Iterator[str]:
        """See :class:`p5rec.methods.base.Method`."""
        return names_in(self.teacher)

    def resolve_names(self, methods: Mapping[str, Method], *, exclude_seen: bool) -> Self:
        """See :class:`p5rec.methods.base.Method`: the teacher."""
        if self.teacher is None:
            return self
        teachers = {n: m for n, m in methods.items() if isinstance(m, ScoringSettings)}
        teacher = resolve(
            self.teacher, TEACHER, "a section, or the name of an m6-rec", teachers,
            exclude_seen=exclude_seen,
        )  # fmt: skip
        filled = self.model_copy(update={TEACHER: teacher})
        if error := filled._error():
            raise UserError(error)
        return filled

    @model_validator(mode="after")
    def _learns_from_its_kind(self) -> Self:
        if error := self._error():
            raise ValueError(error)
        return self

    def _error(self) -> str | None:
        """What is wrong with the teacher, if anything."""
        if self.teacher is None or isinstance(self.teacher, str):
            return None
        if not isinstance(self.teacher, ScoringSettings):
            return f"teacher: expected an m6-rec, got {self.teacher.kind}"
        return not_fixed(self.teacher, TEACHER)

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`p5rec.methods.base.Method`: also the teacher."""
        if self.teacher is None:
            return super().needs(seed)
        control = {"permute_histories": True} if self.permute_histories else {}
        taught = Component(TEACHER, self.teacher.model_copy(update=control))
        return {**super().needs(seed), TEACHER: taught}

    @property
    def fitted_by(self) -> tuple[Work, ...]:
        """See :class:`p5rec.methods.base.Method`."""
        taught = () if self.teacher is None else self.teacher.queried_by
        return (*super().fitted_by, *taught)


class RetrievalSettings(M6Settings):
    """Retrieval by two projections."""

    kind: Literal["m6-rec-retrieval"] = "m6-rec-retrieval"
    width: int = Field(default=64, ge=1)
    """Width of the vectors of users and items."""
    temperature: float = Field(default=0.1, gt=0)
    """Divides the cosines in the softmax over the items of a batch."""
    batch: int = Field(default=64, ge=2)
    """Rows of a step, each other's negatives."""

    capabilities = (LISTS,)
    embeds_items = True
    validates_during_fit = True


class ZeroShotSettings(Method):
    """Scoring by likelihood, without training."""

    kind: Literal["m6-rec-zero-shot"] = "m6-rec-zero-shot"
    backbone: AnyBackbone = Pretrained(lora=None)
    """The language model; with all of its blocks, since the last ones predict words."""
    prompt: _over("history") = "A user who likes {history} also likes"  # type: ignore[valid-type]
    """Text before the title of the item in question; ``{history}``: titles of the latest events
    without a negative label, separated by commas.
    """
    neutral: str = "A user likes"
    """Text after which a title has the likelihood that is subtracted."""
    history: int = Field(default=5, ge=1)
    """Latest titles that are shown."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Number format of the model's arithmetic."""

    capabilities = ("predict_click",)
    content_based = True

    @property
    def fitted_by(self) -> tuple[Work, ...]:
        """See :class:`p5rec.methods.base.Method`."""
        return (*super().fitted_by, BACKBONES.target(self.backbone.kind))

    @property
    def queried_by(self) -> tuple[Work, ...]:
        """See :class:`p5rec.methods.base.Method`."""
        return self.fitted_by

    def fit_reads(self) -> dict[str, str]:
        """See :class:`p5rec.methods.base.Method`."""
        return self.backbone.fingerprint()
