"""What every query to one model reads, made once: tie order, tree, the item head's vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from p5rec.core.rng import tie_order
from p5rec.decode.token_sequences import TokenSequences
from p5rec.decode.trie import Trie
from p5rec.models.checkpoint import Bundle

from .capabilities import require_item_head
from .config import DecodeConfig


class Work(NamedTuple):
    """Parameters that are read.

    Attributes:
        prompt: for a history as long as the model's window.
        step: for each node of the tree.
    """

    prompt: int
    step: int

    @classmethod
    def of(cls, bundle: Bundle) -> Work:
        """The work of ``bundle``."""
        model, head = bundle.model, bundle.model.code_head
        step = sum(p.numel() for p in model.decoder.parameters())
        reads = model.causal.get_encoder() if model.seq2seq else model.decoder
        reader = sum(p.numel() for p in reads.parameters())
        if head is None:
            return cls(bundle.settings.window * bundle.layout.stride * reader, step)
        return cls(bundle.settings.window * reader, sum(p.numel() for p in head.parameters()))


@dataclass(frozen=True, eq=False)
class RankingTables:
    """A model, how it is asked, and what that takes of each item. Threads may share it.

    Attributes:
        bundle: ready to answer; its weights stay what they were.
        config: the search.
        seed: of the tie order, and of what is drawn.
        tie: ``(N,)`` the tie order.
        ranks: L + 1 tensors ``(n_l,)``, the least place in it below each node; None: no tree is
            searched.
        vectors: ``(N, D)`` the item head's; None: it is not asked.
        names: of the items, where the model answers in words; None: it answers in codes.
        work: of a search.
    """

    bundle: Bundle
    config: DecodeConfig
    seed: int
    tie: np.ndarray
    ranks: list[Tensor] | None
    vectors: Tensor | None
    names: TokenSequences | None
    work: Work

    @property
    def trie(self) -> Trie:
        """The tree that is searched, on the model's device."""
        return self.bundle.model.trie if self.names is None else self.names.trie

    @classmethod
    @torch.inference_mode()
    def build(
        cls, bundle: Bundle, config: DecodeConfig, seed: int, names: TokenSequences | None = None
    ) -> RankingTables:
        """The tables that ``config`` needs, and no others.

        Raises:
            UserError: whole items are asked for of a model without an item head.
        """
        model, whole = bundle.model, config.search == "item-head"
        if whole:
            require_item_head(bundle)
        names = None if names is None else names.to(model.device)
        trie = model.trie if names is None else names.trie
        tie = tie_order(bundle.item_keys, seed)
        weighs = whole or (names is None and config.item_head_weight > 0)
        return cls(
            bundle,
            config,
            seed,
            tie,
            None if whole else trie.smallest_below(torch.from_numpy(tie).to(model.device)),
            model.item_table() if weighs and model.item_head is not None else None,
            names,
            Work.of(bundle),
        )
