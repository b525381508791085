"""CTRL (Li et al. 2023, arXiv:2306.02841): a click model is aligned with a text encoder, then
trained on clicks and served alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from p5rec.core.artefacts import Lineage
from p5rec.core.code import Work
from p5rec.core.config import Config
from p5rec.core.registry import Registry
from p5rec.core.types import Corpus
from p5rec.prompting.template import names

from ...click.on_click_model import OnClickModel
from ...click.settings import CLICKS, DeepSettings
from ...needs import DerivedArtefact, Inputs, Need
from ...registry import any_method

if TYPE_CHECKING:
    from ...click.predictor import ClickPredictor

WORK = Registry(
    "work of CTRL",
    {
        "rows": "p5rec.methods.systems.ctrl.rows:write_rows",
        "train": "p5rec.methods.systems.ctrl.training:fit",
        "fingerprint": "p5rec.backbones.sources:fingerprint",
    },
)
ROWS = "rows"  # the input with the stored hidden states
SLOTS = frozenset({"title", "attributes", "user_attributes", "history"})
TEMPLATE = (
    "This is an item, title is {title}, {attributes}. "
    "This is a user, {user_attributes}, who has recently chosen {history}."
)


class RowTexts(Config):
    """The texts of the rows, and the hidden states below the trained blocks of the encoder."""

    template: str = TEMPLATE
    """Text of a row, over the slots ``{title}``, ``{attributes}``, ``{user_attributes}`` and
    ``{history}``, the titles of the user's latest events. A text that is too long is cut at its
    end.
    """
    history: int = Field(default=3, ge=1)
    """Most titles in ``{history}``, the latest first."""
    rows: int = Field(default=20_000, ge=2)
    """Most training rows that are aligned, drawn at random."""
    max_tokens: int = Field(default=64, ge=1)
    """Most tokens of a text."""
    encoder: str = "minilm"
    """Text encoder: ``minilm``, ``smollm2``, ``tiny`` (random weights, over bytes), a folder, or a
    name on the hub.
    """
    random: bool = False
    """Control: random weights of the encoder in place of its own."""
    trained_layers: int = Field(default=2, ge=1)
    """Blocks of the encoder that are trained, its last ones. The hidden states below them are
    computed once.
    """

    @field_validator("template")
    @classmethod
    def _has_known_slots(cls, template: str) -> str:
        if unknown := names(template) - SLOTS:
            raise ValueError(f"expected the slots {sorted(SLOTS)}, got {min(unknown)!r}")
        return template


class AlignmentSettings(Config):
    """The contrastive training of click model and text encoder."""

    similarity: Literal["max", "cosine"] = "max"
    """``max``: the sum of the largest products between sub-spaces. ``cosine``: of the whole
    representations.
    """
    width: int = Field(default=128, ge=1)
    """Width of the common space."""
    subspaces: int = Field(default=4, ge=1)
    """Sub-spaces of the similarity ``max``; ``width`` is a multiple."""
    temperature: float = Field(default=0.7, gt=0)
    """Divides the similarities."""
    batch: int = Field(default=512, ge=2)
    """Rows of a step, each other's negatives."""
    epochs: int = Field(default=3, ge=1)
    """Epochs over the aligned rows."""
    learning_rate: float = Field(default=2e-3, gt=0)
    """Highest learning rate of the click model and the projections."""
    text_learning_rate: float = Field(default=1e-4, ge=0)
    """Highest learning rate of the text encoder."""
    warmup: float = Field(default=0.1, ge=0, le=1)
    """Share of the steps in which the learning rates rise to their highest."""
    permuted: bool = False
    """Permutation control: each row has the text of another."""
    joint: bool = False
    """Control: one stage. The loss of a batch of aligned rows is added to the log loss of each
    step.
    """

    @model_validator(mode="after")
    def _splits_evenly(self) -> Self:
        if self.similarity == "max" and self.width % self.subspaces:
            raise ValueError(
                f"width: expected a multiple of subspaces ({self.subspaces}), got {self.width}"
            )
        return self


class Ctrl(OnClickModel):
    """CTRL: a click model is aligned with a text encoder, then trained on clicks and served alone.

    The alignment reads no labels. The saved model is that of the click model.
    """

    kind: Literal["ctrl"] = "ctrl"
    base: Annotated[Any, any_method().__metadata__[0]] = {"kind": "autoint"}
    """The click model, one with a perceptron: ``autoint``, ``dcnv2``, ``deepfm`` or ``din``."""
    texts: RowTexts = RowTexts()
    """The texts of the rows."""
    alignment: AlignmentSettings = AlignmentSettings()
    """The contrastive training."""

    capabilities = CLICKS
    stochastic = True
    content_based = True
    untuned = OnClickModel.untuned | {"texts"}

    @model_validator(mode="before")
    @classmethod
    def _base_has_no_grid(cls, tree: Any) -> Any:
        base = tree.get("base", {"kind": "autoint"}) if isinstance(tree, dict) else None
        return {**tree, "base": {"tune": {}, **base}} if isinstance(base, Mapping) else tree

    @field_validator("base")
    @classmethod
    def _is_deep(cls, base: Any) -> Any:
        if not isinstance(base, DeepSettings) or not base.extendable:
            raise ValueError(f"expected a click model with a perceptron, got a {base.kind}")
        if base.tune:
            raise ValueError("expected no grid: tune base.KEY of the method itself")
        return base

    def needs(self, seed: int) -> Mapping[str, Need]:
        """See :class:`p5rec.methods.base.Method`: those of the click model, and the states."""
        settings = {
            **self.texts.dump(),
            "seed": seed,
            "files": WORK.get("fingerprint")(self.texts.encoder),
        }
        rows = DerivedArtefact(
            "row-states",
            partial(WORK.get("rows"), self.texts, seed),
            (WORK.target("rows"),),
            settings,
        )
        return {**super().needs(seed), ROWS: rows}

    @property
    def fitted_by(self) -> tuple[Work, ...]:
        """See :class:`p5rec.methods.base.Method`."""
        return (*super().fitted_by, WORK.target("train"), *self.base.fitted_by)

    @property
    def queried_by(self) -> tuple[Work, ...]:
        """See :class:`p5rec.methods.base.Method`."""
        return (*super().queried_by, *self.base.queried_by)

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Inputs) -> Lineage:
        """See :func:`.training.fit`."""
        model: ClickPredictor = WORK.get("train")(self, corpus, seed, inputs)
        model.save(folder)
        assert model.lineage is not None
        return model.lineage

    def load(self, folder: Path) -> ClickPredictor:
        """See :class:`p5rec.methods.base.Method`: the click model."""
        model: ClickPredictor = self.base.load(folder)
        return model
