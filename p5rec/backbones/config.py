"""What a backbone is made of, as a recipe says it."""

from __future__ import annotations

from typing import Literal

from p5rec.core.config import Config


class ScratchConfig(Config):
    """A compact decoder trained from scratch (rotary positions, pre-norm, GELU)."""

    width: int = 128
    layers: int = 4
    heads: int = 4
    feedforward: int = 512
    dropout: float = 0.1
    max_positions: int = 4096


class LoraSettings(Config):
    """Low-rank adapters (Hu et al. 2021) on every linear layer of the decoder blocks."""

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: tuple[str, ...] = ()  # names of linear layers; empty: all inside the blocks


class BackboneConfig(Config):
    """A language model and how it is adapted."""

    name: str = "smollm2"  # smollm2 | scratch | a local folder | a hub name
    layers: int | None = None  # keep the first n blocks only; None: all
    dtype: Literal["float32", "bfloat16"] = "bfloat16"  # of the frozen weights
    quantize: Literal["4bit", "8bit"] | None = None
    lora: LoraSettings | None = LoraSettings()  # None: every weight trains
    scratch: ScratchConfig = ScratchConfig()
