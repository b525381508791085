"""What a recipe says of any backbone: how it is adapted and how it reads items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from p5rec.core.config import Config

if TYPE_CHECKING:
    from .base import Network


class LoraSettings(Config):
    """Low-rank adapters (Hu et al. 2021) on every linear layer of the decoder blocks."""

    rank: int = Field(16, ge=1)
    """Rank of the adapters."""
    alpha: int = Field(32, ge=1)
    """Scale: the adapters' output is multiplied by alpha / rank."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Dropout probability on the adapters' input."""
    targets: tuple[str, ...] = ()
    """Linear layers that get an adapter, by name or by a pattern such as ``*_proj``. Empty: every
    linear layer of the blocks.
    """
    rslora: bool = False
    """Multiply by alpha / sqrt(rank) instead of alpha / rank (Kalajdzievski 2023,
    arXiv:2312.03732).
    """
    dora: bool = False
    """Also learn the norm of each weight column (DoRA, Liu et al. 2024, arXiv:2402.09353)."""


class BackboneConfig(Config):
    """A network under a recipe's model: which one, how it is adapted, how it reads items.

    A kind of backbone is a class on this one with a ``kind`` and settings of its own, in one file,
    and a line of :mod:`.registry`. What it opens is a :class:`.base.Network`.
    """

    kind: str
    """Kind of backbone."""
    lora: LoraSettings | None = None
    """Low-rank adapters. null: every weight is trained."""
    items: Literal["positions", "tokens"] = "positions"
    """What an item occupies in the input: one position, or one token per code."""
    item_rows: bool = True
    """Give each item an embedding of its own, added to those of its codes. Needs ``items:
    positions``.
    """
    normalisation: Literal["items", "level", "vocab"] = "items"
    """Softmax over which codes: those that lead to an item, all codes of the level, or the whole
    vocabulary. Other than ``items`` it needs ``items: tokens``.
    """

    def open(self, seed: int, *, empty: bool, download: bool) -> tuple[Network, Any]:
        """The network and its tokenizer, one of transformers, before items are known.

        Args:
            seed: of weights that are drawn.
            empty: its weights will not be used, and modules are made on the ``meta`` device:
                nothing large need be read.
            download: whether what is not on this machine may be fetched.
        """
        raise NotImplementedError

    @property
    def head_dropout(self) -> float:
        """Of what is trained beside the network, as within it."""
        return self.lora.dropout if self.lora else 0.0

    @property
    def source(self) -> str | None:
        """What its weights are read from and may have to be fetched; None: they are drawn."""
        return None

    @property
    def frozen_bytes(self) -> float | None:
        """Bytes that a frozen weight of a linear layer takes where it is quantised."""
        return None

    def fingerprint(self) -> dict[str, str]:
        """Hashes of the user's files that it is read from, which may change under their names."""
        return {}

    @model_validator(mode="after")
    def _rows_need_positions(self) -> BackboneConfig:
        if self.item_rows and self.items != "positions":
            raise ValueError("item_rows needs items: positions; set it to false")
        if self.normalisation != "items" and self.items != "tokens":
            raise ValueError(f"normalisation {self.normalisation} needs items: tokens")
        return self
