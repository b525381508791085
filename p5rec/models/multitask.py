"""One language model, its item codes, and the heads: every task's loss in one forward pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear

from p5rec.backbones.load import Backbone
from p5rec.core.types import ItemCodes
from p5rec.decode.trie import Trie

from .config import HeadsConfig
from .heads import CodeHead, RatingHeads
from .positions import Positions, ahead, merge, whole_items

# times more items than children: from here on it is faster to fetch the children's rows alone
FEW = 40


class MultitaskModel(nn.Module):
    """A backbone with item codes in its vocabulary and, where ratings are learned, two heads.

    The language-model loss is taken on labelled positions only. Where the label is an item, its
    codes have the log-probabilities of :meth:`log_probs`; where it is a word, the softmax runs over
    the whole vocabulary.

    Args:
        backbone: the language model, grown by ``sum(codes.sizes)`` code tokens.
        codes: the items' codes, ``(N, L)``.
        scale: the distinct ratings, ascending, or empty for no rating heads.
        merged: let an item stand at one position, the sum of its codes' rows, and let a
            :class:`CodeHead` name its codes; otherwise each code is a token of its own.
        item_rows: give each item a row of its own beside those of its codes, in which it is read
            and, at its last code, named. It starts at zero: an item that is never seen is known by
            its codes alone. Needs ``merged``; memory and training time grow with N.
        dropout: of the code head.
        heads: which rating heads; None: both.

    Raises:
        ValueError: items that share codes have rows of their own, or a token for each code.
    """

    def __init__(
        self,
        backbone: Backbone,
        codes: ItemCodes,
        scale: Sequence[float] = (),
        *,
        merged: bool = False,
        item_rows: bool = False,
        normalisation: str = "items",
        dropout: float = 0.0,
        heads: HeadsConfig | None = None,
    ) -> None:
        super().__init__()
        if codes.tied and (item_rows or not merged):
            raise ValueError("items that share codes need positions, and no rows of their own")
        self.lm = backbone.model
        self.first = backbone.first_new
        self.sizes, self.tied, self.normalisation = codes.sizes, codes.tied, normalisation
        self.starts = [self.first + int(start) for start in codes.starts]
        self._trie = Trie.build(codes.codes, codes.sizes)
        self.config = self.causal.config
        self.generation_config = self.causal.generation_config
        width = self.config.hidden_size
        heads = heads or HeadsConfig()
        self.heads = RatingHeads(width, scale, heads) if len(scale) and heads.any else None
        self.rating_words = heads.words  # whether rows with ratings teach their text
        self.code_head = CodeHead(width, dropout) if merged else None
        self.item_rows = nn.Parameter(torch.zeros(len(codes), width)) if item_rows else None

    @property
    def causal(self) -> Any:
        """The causal language model under its adapters."""
        return self.lm.get_base_model() if hasattr(self.lm, "get_base_model") else self.lm

    @property
    def decoder(self) -> Any:
        """The model without its output head: ids → hidden states."""
        return getattr(self.causal, self.causal.base_model_prefix)

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return next(self.parameters()).device

    @property
    def trie(self) -> Trie:
        """The items, on the model's device."""
        if self._trie.leaf_item.device != self.device:
            self._trie = self._trie.to(self.device)
        return self._trie

    def code_rows(self, level: int) -> Tensor:
        """``(C_l, D)``: the rows of one level's codes, in which they are read and named."""
        start = self.starts[level] - self.first
        return self.causal.get_output_embeddings().new[start : start + self.sizes[level]]

    def code_logits(self, hidden: Tensor, level: int) -> Tensor:
        """``(..., D)`` hidden states → ``(..., C_l)`` float32 logits over one level's codes."""
        return linear(hidden, self.code_rows(level).to(hidden.dtype)).float()

    def log_probs(self, states: Tensor, level: int, nodes: Tensor) -> Tensor:
        """Log-probabilities of the codes of ``level`` after the prefixes at ``nodes``.

        They sum to 1 over the codes that lead to an item after the prefix (``items``: those of all
        items then sum to 1), over the codes of the level (``level``), or over all tokens
        (``vocab``, a language model's own).

        Args:
            states: ``(..., D)`` what names the code.
            nodes: ``(...)`` nodes of the trie at depth ``level``.

        Returns:
            ``(..., C_l)`` float32; with ``items``, those of codes that lead nowhere mean nothing.
        """
        if self.normalisation == "vocab":
            start = self.starts[level]
            logs = self.causal.get_output_embeddings()(states).float().log_softmax(-1)
            return logs[..., start : start + self.sizes[level]]
        if self.normalisation == "level":
            return self.code_logits(states, level).log_softmax(-1)
        if self.tied and level == len(self.sizes) - 1:  # a number, of which nothing is to be known
            logits = -torch.arange(self.sizes[level], device=states.device, dtype=torch.float32)
            return self.trie.log_softmax(level, nodes, logits.expand(*states.shape[:-1], -1))
        logits = self.code_logits(states, level)
        if self.item_rows is not None and level == len(self.sizes) - 1:
            leaf, exists = self.trie.children(level, nodes)
            own = self._own(states, leaf).masked_fill(~exists, 0)
            logits = logits.scatter_add(-1, self.trie.codes[level][leaf], own)
        return self.trie.log_softmax(level, nodes, logits)

    def _own(self, states: Tensor, leaf: Tensor) -> Tensor:
        """``(..., F)`` float32: what states ``(..., D)`` say to the items' own rows at ``leaf``."""
        assert self.item_rows is not None
        if not torch.is_grad_enabled() and len(self.item_rows) > FEW * leaf.shape[-1]:
            rows = self.item_rows[self.trie.leaf_item[leaf]].to(states.dtype)
            return (rows @ states[..., None])[..., 0].float()
        rows = self.item_rows[self.trie.leaf_item].to(states.dtype)
        return linear(states, rows).float().gather(-1, leaf)

    def _items_at(self, ids: Tensor, whole: Tensor) -> Tensor:
        """``(B, T)``: the item that begins at a token; any item where none does."""
        nodes = torch.zeros_like(ids)
        for level, start in enumerate(self.starts):
            code = torch.where(whole, ahead(ids, level) - start, 0)
            nodes = self.trie.descend(level, nodes, code)
        return self.trie.leaf_item[nodes]

    def embed(
        self,
        ids: Tensor,
        mask: Tensor | None = None,
        *,
        blank: Tensor | None = None,
        at_end: bool = False,
    ) -> tuple[Tensor, Positions]:
        """Tokens ``(B, T)`` as the decoder reads them: ``(B, P, D)``, and where they stand.

        Args:
            mask: ``(B, T)``, 0 for padding, which may lie on either side; None: there is none.
            blank: ``(B, T)`` bool, tokens that keep their place but read as nothing.
            at_end: let the last positions be the real ones, not the first.
        """
        levels = len(self.sizes)
        real = torch.ones_like(ids, dtype=torch.bool) if mask is None else mask.bool()
        rows = self.causal.get_input_embeddings()(ids)
        whole = torch.zeros_like(ids, dtype=torch.bool)
        if self.code_head is not None:
            whole = whole_items(ids, self.first, self.sizes)
            told = levels - 1 if self.tied else levels
            more = sum(ahead(rows, level) for level in range(1, told))
            if self.item_rows is not None:
                more = more + self.item_rows[self._items_at(ids, whole)].to(rows.dtype)
            rows = rows + whole[..., None] * more
        at = merge(whole, real, levels, at_end=at_end)
        if blank is not None:
            rows = rows.masked_fill(blank[..., None], 0)
        return rows.gather(1, at.opens[..., None].expand(-1, -1, rows.shape[-1])), at

    def forward(
        self,
        input_ids: Tensor,
        labels: Tensor,
        weights: Tensor,
        blank: Tensor | None = None,
        ratings: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
    ) -> dict[str, Tensor]:
        """The weighted loss of a batch and its parts.

        Args:
            input_ids: ``(B, T)``, padded on the right: what comes after a token is hidden from it
                by causality, so there is no mask, and attention keeps its fast path.
            labels: ``(B, T)`` aligned with ``input_ids``; -100 where nothing is asked. An item is
                asked as a whole.
            weights: ``(B,)`` each row's task weight.
            blank: ``(B, T)`` bool, tokens that the model is not shown.
            ratings: ``(B, T)`` what the heads are to say at a token, on the data's scale; NaN where
                nothing. An item has said all it has to say at its last code.
            num_items_in_batch: what the summed loss is divided by; None: the labels here.

        Returns:
            ``loss`` and, for logging, mean ``code_loss``, ``text_loss``, ``regression_loss``,
            ``classification_loss``: NaN where the batch asks for none.
        """
        embedded, at = self.embed(input_ids, blank=blank)
        hidden = self.decoder(inputs_embeds=embedded).last_hidden_state
        code_sum, code_part = self._items(hidden, at.places, labels, weights)
        told = labels
        if ratings is not None and not self.rating_words:
            told = labels.masked_fill(ratings.isfinite().any(1, keepdim=True), -100)
        text_sum, text_part = self._words(hidden, at.places, told, weights)
        parts = {"code_loss": code_part, "text_loss": text_part}
        total = code_sum + text_sum
        if self.heads is not None and ratings is not None:
            row, token = ratings.isfinite().nonzero(as_tuple=True)
            read = hidden[row, at.places[row, token]]
            head_sum, each = self.heads.loss(read, ratings[row, token], weights[row])
            parts |= each
            total = total + head_sum
        count = (labels[:, 1:] != -100).sum() if num_items_in_batch is None else num_items_in_batch
        return {"loss": total / torch.as_tensor(count).clamp(min=1), **parts}

    def _items(
        self, hidden: Tensor, places: Tensor, labels: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        asked = whole_items(labels, self.first, self.sizes)
        asked[:, 0] = False  # nothing stands before it that could say it
        row, token = asked.nonzero(as_tuple=True)
        before = places[row, token] - 1
        state, nodes = hidden[row, before], torch.zeros_like(row)
        prefix = state.new_zeros(state.shape, dtype=torch.float32)
        losses = []
        for level in range(len(self.sizes)):
            code = labels[row, token + level] - self.starts[level]
            if level:
                state = self._next_state(hidden, row, before, prefix, level)
            logs = self.log_probs(state, level, nodes)
            losses.append(-logs.gather(1, code[:, None])[:, 0])
            nodes = self.trie.descend(level, nodes, code)
            if self.code_head is not None:
                prefix = prefix + self.code_rows(level)[code]
        each = torch.stack(losses).sum(0)
        part = each.detach().sum() / (len(self.sizes) * len(each) or math.nan)
        return (each * weights[row]).sum(), part

    def _next_state(
        self, hidden: Tensor, row: Tensor, before: Tensor, prefix: Tensor, level: int
    ) -> Tensor:
        """``(M, D)``: what names the code of ``level`` of items that follow position ``before``."""
        if self.code_head is None:
            return hidden[row, before + level]
        state: Tensor = self.code_head(hidden[row, before], prefix)
        return state

    def _words(
        self, hidden: Tensor, places: Tensor, labels: Tensor, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        asked = (labels >= 0) & (labels < self.first)
        asked[:, 0] = False
        row, token = asked.nonzero(as_tuple=True)
        state = hidden[row, places[row, token] - 1]
        logits = self.causal.get_output_embeddings()(state).float()
        losses = cross_entropy(logits, labels[row, token], reduction="none")
        part = losses.detach().sum() / (losses.numel() or math.nan)
        return (losses * weights[row]).sum(), part

    def add_model_tags(self, tags: object) -> None:
        """Model cards are not this model's business; the trainer asks."""
