"""How a trained model is asked."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from p5rec.core.config import Config


class DecodeConfig(Config):
    """Constrained beam search over the items."""

    k: int = Field(20, ge=1)  # length of the lists
    beams: int = Field(50, ge=1)  # prefixes kept at a level; at least k
    precision: Literal["float32", "bfloat16"] = "float32"
    batch_tokens: int = Field(8192, ge=1)  # padded prompt tokens decoded at a time
    max_new_tokens: int = Field(64, ge=1)  # of a text answer

    @model_validator(mode="after")
    def _wide_enough(self) -> DecodeConfig:
        if self.beams < self.k:
            raise ValueError(f"beams ({self.beams}) must be at least k ({self.k})")
        return self
