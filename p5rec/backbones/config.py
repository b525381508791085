"""What a recipe says of any backbone: how it is adapted and how it reads items."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from p5rec.core.config import Config

if TYPE_CHECKING:
    from .base import Network


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


class BackboneConfig(Config):
    """A network under a recipe's model: which one, how it is adapted, how it reads items.

    A kind of backbone is a class on this one with a ``kind`` and settings of its own, in one file,
    and a line of :mod:`.registry`. What it opens is a :class:`.base.Network`.
    """

    kind: str
    lora: LoraSettings | None = None  # None: every weight trains
    items: Literal["positions", "tokens"] = "positions"  # one position an item, or one a code
    item_embeddings: bool = True  # a row of its own for each item beside those of its codes
    # what the probabilities of a code share: those that lead to an item, its level, or all tokens
    normalisation: Literal["items", "level", "vocab"] = "items"

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
        if self.item_embeddings and self.items != "positions":
            raise ValueError("item_embeddings needs items: positions; set it to false")
        if self.normalisation != "items" and self.items != "tokens":
            raise ValueError(f"normalisation {self.normalisation} needs items: tokens")
        return self
