"""The search settings of a trained model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from p5rec.core.config import Config

# how a rating is read from what a model makes of a prompt (see p5rec.recommend.ratings)
RATING_ESTIMATORS = ("regression", "class", "expectation", "mean", "words", "text")
LISTS = "lists"  # ranked lists, where several things are predicted of pairs of user and item


class DecodeConfig(Config):
    """Constrained search over the items."""

    k: int = Field(20, ge=1)
    """Length of the ranked lists."""
    item_head_weight: float = Field(10.0, ge=0)
    """Weight of the item head's log-probabilities beside those of the codes, where the model has an
    item head. Beams are chosen by codes alone.
    """
    beams: int = Field(50, ge=1)
    """Beams per level; at least ``k``."""
    search: Literal["auto", "beam", "exhaustive", "sample", "item-head"] = "auto"
    """``beam``: beam search over the trie. ``exhaustive``: score every item. ``auto``: exhaustive
    where that adds at most a tenth to the work, else beam. ``sample``: draw items without
    replacement by their probabilities. ``item-head``: the item head alone.
    """
    per_prefix: Annotated[int, Field(ge=1)] | None = None
    """Diversity: most items of a list with the same leading codes. null: no limit."""
    prefix_depth: int = Field(1, ge=1)
    """Number of leading codes that ``per_prefix`` compares."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Number format of the language model's arithmetic."""
    batch_tokens: int = Field(8192, ge=1)
    """Positions decoded together, padding included."""
    max_new_tokens: int = Field(64, ge=1)
    """Most tokens of a generated text."""
    closed: bool = False
    """Restrict a prediction of a closed type (a rating, yes or no) to its allowed values."""

    @model_validator(mode="after")
    def _diverse_by_codes(self) -> DecodeConfig:
        if self.search == "item-head" and self.per_prefix is not None:
            raise ValueError("per_prefix compares codes: expected another search than item-head")
        return self

    @model_validator(mode="after")
    def _wide_enough(self) -> DecodeConfig:
        if self.beams < self.k:
            raise ValueError(f"beams ({self.beams}) must be at least k ({self.k})")
        return self


def settings_for(config: DecodeConfig, *, item_head: bool) -> DecodeConfig:
    """The search settings of validation checks: ``config``, or the item head alone, which is
    faster."""
    return DecodeConfig(search="item-head") if item_head else config
