"""Settings of every backbone: adapters, and how it represents items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from p5rec.core.config import Config

if TYPE_CHECKING:
    from .base import Network
    from .vocabulary import Vocabulary


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
    and an entry in :mod:`.registry`. It opens a :class:`.base.Network`.
    """

    kind: str
    """Kind of backbone."""
    lora: LoraSettings | None = None
    """Low-rank adapters. null: every weight is trained."""
    items: Literal["positions", "tokens"] = "positions"
    """What an item occupies in the input: one position, or one token per code."""
    item_embeddings: bool = True
    """Give each item an embedding of its own, added to those of its codes. Needs ``items:
    positions``.
    """
    normalisation: Literal["items", "level", "vocab"] = "items"
    """Softmax over which codes: those that lead to an item, all codes of the level, or the whole
    vocabulary. Other than ``items`` it needs ``items: tokens``.
    """

    def open(self, seed: int, *, empty: bool, download: bool) -> tuple[Network, Vocabulary]:
        """The network and its vocabulary, before item tokens are added.

        Args:
            seed: of random weights.
            empty: only shapes are needed and modules are created on the ``meta`` device, so no
                weights need to be read.
            download: whether missing files may be downloaded.
        """
        raise NotImplementedError

    @property
    def head_dropout(self) -> float:
        """Dropout of the heads trained on top of the network."""
        return self.lora.dropout if self.lora else 0.0

    @property
    def source(self) -> str | None:
        """Where pretrained weights come from; None: random weights."""
        return None

    @property
    def frozen_bytes(self) -> float | None:
        """Bytes a frozen quantised weight of a linear layer takes; None: not quantised."""
        return None

    def fingerprint(self) -> dict[str, str]:
        """Hashes of the user's files that the network is read from."""
        return {}

    @model_validator(mode="after")
    def _item_embeddings_need_positions(self) -> BackboneConfig:
        if self.item_embeddings and self.items != "positions":
            raise ValueError("item_embeddings needs items: positions; set it to false")
        if self.normalisation != "items" and self.items != "tokens":
            raise ValueError(f"normalisation {self.normalisation} needs items: tokens")
        return self
