"""Tables that all queries to a model share: tie order, trie ranks, the item head's vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from p5rec.core.rng import tie_order
from p5rec.decode.token_sequences import TokenSequences
from p5rec.decode.trie import Trie
from p5rec.models.bundle import Bundle

from .capabilities import require_item_head
from .config import DecodeConfig

SCORES = 2**26  # of all items, computed at a time


class Work(NamedTuple):
    """The cost of a search, in parameters read.

    Attributes:
        prompt: for a history as long as the model's window.
        step: for each node of the trie.
    """

    prompt: int
    step: int

    @classmethod
    def of(cls, bundle: Bundle) -> Work:
        """The work of ``bundle``."""
        model, head = bundle.model, bundle.model.code_head
        step = sum(p.numel() for p in model.decoder.parameters())
        encoder = model.causal.get_encoder() if model.seq2seq else model.decoder
        per_token = sum(p.numel() for p in encoder.parameters())
        if head is None:
            return cls(bundle.settings.window * bundle.layout.stride * per_token, step)
        return cls(bundle.settings.window * per_token, sum(p.numel() for p in head.parameters()))


@dataclass(frozen=True, eq=False)
class RankingTables:
    """A model, its search settings, and tables of the items. Threads may share it.

    Attributes:
        bundle: ready to predict; its weights do not change.
        config: the search.
        seed: of the tie order and of sampling.
        tie: ``(N,)`` the tie order.
        ranks: L + 1 tensors ``(n_l,)``, the lowest tie position below each trie node; None: the
            trie is not searched.
        vectors: ``(N, D)`` of the item head; None: it is not used.
        names: token sequences of the items, if the model generates titles; None: it generates
            codes.
        work: the cost of a search.
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
    def most(self) -> int:
        """Requests whose scores of all items are computed at a time, at most."""
        return max(1, SCORES // len(self.tie))

    @property
    def trie(self) -> Trie:
        """The trie that is searched, on the model's device."""
        return self.bundle.model.trie if self.names is None else self.names.trie

    @classmethod
    @torch.inference_mode()
    def build(
        cls, bundle: Bundle, config: DecodeConfig, seed: int, names: TokenSequences | None = None
    ) -> RankingTables:
        """The tables that ``config`` needs.

        Raises:
            UserError: ``search: item-head`` is set for a model without an item head.
        """
        model, by_item_head = bundle.model, config.search == "item-head"
        if by_item_head:
            require_item_head(bundle)
        names = None if names is None else names.to(model.device)
        tie = tie_order(bundle.item_keys, seed)
        ranks = None
        if not by_item_head:
            trie = model.trie if names is None else names.trie
            ranks = trie.subtree_min(torch.from_numpy(tie).to(model.device))
        uses_head = by_item_head or (names is None and config.item_head_weight > 0)
        return cls(
            bundle,
            config,
            seed,
            tie,
            ranks,
            model.item_table() if uses_head and model.item_head is not None else None,
            names,
            Work.of(bundle),
        )
