"""What a backbone is made of, as a recipe says it."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from p5rec.core.config import Config


class ScratchConfig(Config):
    """A compact model trained from scratch: a decoder (rotary positions, pre-norm, GELU), or an
    encoder and a decoder shaped like T5."""

    shape: Literal["decoder", "t5"] = "decoder"
    width: int = Field(128, ge=1)
    layers: int = Field(4, ge=1)  # of the decoder, and of the encoder
    heads: int = Field(4, ge=1)
    head_width: Annotated[int, Field(ge=1)] | None = None  # t5 alone; None: width / heads
    feedforward: int = Field(512, ge=1)
    dropout: float = Field(0.1, ge=0, lt=1)
    max_positions: int = Field(4096, ge=1)

    @model_validator(mode="after")
    def _heads_turn(self) -> ScratchConfig:
        if self.shape == "t5":
            return self
        if self.head_width is not None:
            raise ValueError("head_width is for shape: t5; a decoder's heads share its width")
        # rotary positions turn pairs of numbers, so a head's width must be even
        if self.width % (2 * self.heads):
            raise ValueError(f"width ({self.width}) must be a multiple of 2 * heads ({self.heads})")
        return self


class LoraSettings(Config):
    """Low-rank adapters (Hu et al. 2021) on every linear layer of the decoder blocks.

    Attributes:
        rank, alpha, dropout: of the adapters; they are scaled by alpha / rank.
        targets: names of linear layers, or patterns of names (``*_proj``); empty: all inside the
            blocks.
        rslora: scale by alpha / sqrt(rank) (Kalajdzievski 2023, arXiv 2312.03732).
        dora: learn the length of each weight's columns beside (Liu et al. 2024, arXiv 2402.09353).
    """

    rank: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    targets: tuple[str, ...] = ()
    rslora: bool = False
    dora: bool = False


def _ascending(blocks: tuple[int, ...]) -> tuple[int, ...]:
    if not blocks or blocks[0] < 0 or any(b <= a for a, b in pairwise(blocks)):
        raise ValueError(f"expected numbers of blocks in ascending order, got {list(blocks)}")
    return blocks


Blocks = Annotated[tuple[int, ...], AfterValidator(_ascending)]


class BackboneConfig(Config):
    """A language model and how it is adapted."""

    name: str = "smollm2"  # smollm2 | scratch | a local folder | a hub name
    # keep the first n blocks, or the blocks of these numbers, from 0 on; None: all
    layers: Annotated[int, Field(ge=1)] | Blocks | None = None
    # of the frozen weights; what trains is float32
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    # of the frozen weights: NF4 with quantised scales (QLoRA), or LLM.int8(); needs lora
    quantize: Literal["4bit", "8bit"] | None = None
    # deal the numbers of each of its weights out anew: the control of what it has learned
    permute: bool = False
    lora: LoraSettings | None = LoraSettings()  # None: every weight trains
    items: Literal["positions", "tokens"] = "positions"  # one position an item, or one a code
    item_rows: bool = True  # a row of its own for each item beside those of its codes
    # what the probabilities of a code share: those that lead to an item, its level, or all tokens
    normalisation: Literal["items", "level", "vocab"] = "items"
    scratch: ScratchConfig = ScratchConfig()

    @model_validator(mode="after")
    def _rows_need_positions(self) -> BackboneConfig:
        if self.item_rows and self.items != "positions":
            raise ValueError("item_rows needs items: positions; set it to false")
        if self.normalisation != "items" and self.items != "tokens":
            raise ValueError(f"normalisation {self.normalisation} needs items: tokens")
        return self

    @model_validator(mode="after")
    def _permute_needs_numbers(self) -> BackboneConfig:
        if self.permute and self.name == "scratch":
            raise ValueError("permute: a model from scratch has learned nothing to be dealt out")
        if self.permute and self.quantize:
            raise ValueError("permute: quantised weights cannot be dealt out; set quantize to null")
        return self

    @property
    def dropout(self) -> float:
        """Of what is trained beside the language model, as within it."""
        if self.name == "scratch":
            return self.scratch.dropout
        return self.lora.dropout if self.lora else 0.0
