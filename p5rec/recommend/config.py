"""How a trained model is asked."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from p5rec.core.config import Config

# how a rating is read from what a model makes of a question (see p5rec.recommend.ratings)
RATING_ESTIMATORS = ("regression", "class", "expectation", "mean", "words", "text")


class DecodeConfig(Config):
    """Constrained search over the items.

    Attributes:
        k: length of the lists.
        item_head_weight: of the item head's log-probabilities beside those of the codes, where the model
            has one; prefixes are chosen by codes alone.
        beams: prefixes kept at a level; at least k.
        search: ``beam``; ``exhaustive``, which keeps every prefix and scores every item; ``auto``,
            exhaustive where that adds at most a tenth to the work; ``sample``, items drawn without
            replacement, each as often as the model finds it likely; ``items``, all items at once as
            the item head scores them, the codes not asked.
        per_prefix: diversity: the most items of a list whose first codes are equal; null: any
            number.
        prefix_depth: how many codes that looks at.
        precision: of the language model.
        batch_tokens: padded tokens decoded at a time.
        max_new_tokens: of a text answer.
        closed: let an answer of a closed kind (a rating, yes or no) be nothing else.
    """

    k: int = Field(20, ge=1)
    item_head_weight: float = Field(10.0, ge=0)
    beams: int = Field(50, ge=1)
    search: Literal["auto", "beam", "exhaustive", "sample", "item-head"] = "auto"
    per_prefix: Annotated[int, Field(ge=1)] | None = None
    prefix_depth: int = Field(1, ge=1)
    precision: Literal["float32", "bfloat16"] = "float32"
    batch_tokens: int = Field(8192, ge=1)
    max_new_tokens: int = Field(64, ge=1)
    closed: bool = False

    @model_validator(mode="after")
    def _diverse_by_codes(self) -> DecodeConfig:
        if self.search == "item-head" and self.per_prefix is not None:
            raise ValueError("per_prefix looks at codes: expected another search than item-head")
        return self

    @model_validator(mode="after")
    def _wide_enough(self) -> DecodeConfig:
        if self.beams < self.k:
            raise ValueError(f"beams ({self.beams}) must be at least k ({self.k})")
        return self


def settings_for(config: DecodeConfig, *, item_head: bool) -> DecodeConfig:
    """How validation checks search for lists: as ``config`` says, or by the item head alone, one
    product for what may be a long search."""
    return DecodeConfig(search="item-head") if item_head else config
