"""One language model, its item codes, and the heads: every task's loss in one forward pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear

from p5rec.backbones.load import Backbone
from p5rec.core.types import ItemCodes
from p5rec.decode.trie import Trie

from .config import HeadsConfig, ItemHeadConfig
from .heads import CodeHead, ItemHead, RatingHeads
from .positions import Positions, ahead, merge, restarted, row_has, whole_items

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
        item_head: score whole items too (:class:`ItemHead`); None: by their codes alone.

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
        item_head: ItemHeadConfig | None = None,
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
        self.shrink = width**-0.5 if getattr(self.config, "scale_decoder_outputs", False) else 1.0
        heads = heads or HeadsConfig()
        self.heads = RatingHeads(width, scale, heads) if len(scale) and heads.any else None
        self.rating_words = heads.words  # whether rows with ratings teach their text
        self.code_head = CodeHead(width, dropout) if merged else None
        self.item_head = ItemHead(width, item_head) if item_head else None
        self.item_rows = nn.Parameter(torch.zeros(len(codes), width)) if item_rows else None

    @property
    def causal(self) -> Any:
        """The language model under its adapters."""
        return self.lm.get_base_model() if hasattr(self.lm, "get_base_model") else self.lm

    @property
    def seq2seq(self) -> bool:
        """Whether an encoder reads the questions."""
        return bool(self.config.is_encoder_decoder)

    @property
    def start(self) -> int:
        """The token that opens every answer, where an encoder reads the questions."""
        return int(self.config.decoder_start_token_id)

    @property
    def decoder(self) -> Any:
        """The model without its output head: tokens → hidden states."""
        causal = self.causal
        return causal.get_decoder() if self.seq2seq else getattr(causal, causal.base_model_prefix)

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

    @property
    def names_own(self) -> bool:
        """Whether an item's own row is in its last code: an item head names it otherwise."""
        return self.item_rows is not None and self.item_head is None

    @property
    def told(self) -> int:
        """The levels whose codes are read; a level that numbers items of equal codes is not."""
        return len(self.sizes) - 1 if self.tied else len(self.sizes)

    def item_vectors(self) -> Tensor:
        """``(N, D)``: all items as they are read where each takes one position."""
        paths = self.trie.paths(torch.arange(len(self.trie), device=self.device))
        rows: Tensor = sum(self.code_rows(n)[paths[:, n]] for n in range(self.told))  # type: ignore[assignment]
        return rows if self.item_rows is None else rows + self.item_rows

    def item_logs(self, states: Tensor) -> Tensor:
        """``(B, D)`` states before items → ``(B, N)`` log-probabilities of whole items.

        Raises:
            ValueError: the model has no item head.
        """
        if self.item_head is None:
            raise ValueError("expected a model with an item head, got one without")
        table = self.item_head.vectors(self.item_vectors())
        return (self.item_head(states) @ table.T).log_softmax(-1)

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
        if self.names_own and level == len(self.sizes) - 1:
            logits = self.trie.raised(level, nodes, logits, partial(self._own, states))
        return self.trie.log_softmax(level, nodes, logits)

    def _own(self, states: Tensor, leaf: Tensor) -> Tensor:
        """``(..., F)`` float32: what states ``(..., D)`` say to the items' own rows at ``leaf``."""
        assert self.item_rows is not None
        if not torch.is_grad_enabled() and len(self.item_rows) > FEW * leaf.shape[-1]:
            rows = self.item_rows[self.trie.leaf_item[leaf]].to(states.dtype)
            return (rows @ states[..., None])[..., 0].float()
        rows = self.item_rows[self.trie.leaf_item].to(states.dtype)
        return linear(states, rows).float().gather(-1, leaf)

    def items_at(self, ids: Tensor, whole: Tensor) -> Tensor:
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
            more = sum(ahead(rows, level) for level in range(1, self.told))
            if self.item_rows is not None:
                more = more + self.item_rows[self.items_at(ids, whole)].to(rows.dtype)
            rows = rows + whole[..., None] * more
        at = merge(whole, real, levels, at_end=at_end)
        if blank is not None:
            rows = rows.masked_fill(blank[..., None], 0)
        return rows.gather(1, at.opens[..., None].expand(-1, -1, rows.shape[-1])), at

    def encode(
        self, ids: Tensor, mask: Tensor | None, blank: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Questions ``(B, S)`` as the encoder reads them: ``(B, P, D)``, and what of it is real."""
        embedded, at = self.embed(ids, mask, blank=blank)
        encoder = self.causal.get_encoder()
        read = encoder(inputs_embeds=embedded, attention_mask=at.real.long())
        return read.last_hidden_state, at.real

    def states(
        self, encoded: Tensor | None = None, real: Tensor | None = None, **inputs: Any
    ) -> Tensor:
        """``(B, P, D)``: what the decoder makes of its ``inputs``, as the output head reads it.

        Args:
            encoded, real: see :meth:`encode`; None: there is no encoder.
        """
        if encoded is not None:
            inputs |= {"encoder_hidden_states": encoded, "encoder_attention_mask": real}
        hidden: Tensor = self.decoder(**inputs).last_hidden_state
        # a T5 whose head is its embedding reads states made smaller
        return hidden * self.shrink if self.shrink != 1 else hidden

    def forward(
        self,
        input_ids: Tensor,
        labels: Tensor,
        weights: Tensor,
        tasks: Tensor | None = None,
        blank: Tensor | None = None,
        ratings: Tensor | None = None,
        candidates: Tensor | None = None,
        documents: Tensor | None = None,
        source: Tensor | None = None,
        source_mask: Tensor | None = None,
        source_blank: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
    ) -> dict[str, Tensor]:
        """The weighted loss of a batch and its parts.

        Args:
            input_ids: ``(B, T)``, padded on the right: what comes after a token is hidden from it
                by causality, so there is no mask, and attention keeps its fast path.
            labels: ``(B, T)`` aligned with ``input_ids``; -100 where nothing is asked, as at the
                first token of a line and of a document. An item is asked as a whole.
            weights: ``(B, T)`` the loss weight of each token's task.
            tasks: ``(B, T)`` which task each token belongs to; None: all to one.
            blank: ``(B, T)`` bool, tokens that the model is not shown.
            ratings: ``(B, T)`` what the heads are to say at a token, on the data's scale; NaN where
                nothing. An item has said all it has to say at its last code.
            candidates: ``(B, T, K)`` items to be weighed where one begins; where the first is -1,
                none are. A row must have a line of its own, and no encoder.
            documents: ``(B, T)`` the number, ascending, of the row that each token of a packed line
                belongs to: rows do not see each other. None: a line is a row.
            source, source_mask, source_blank: ``(B, S)`` what the encoder reads, where there is
                one.
            num_items_in_batch: what the summed loss is divided by; None: the labels here.

        Returns:
            ``loss`` and, for logging, mean ``code_loss`` and ``level_losses (L,)``, ``item_loss``
            under its weight, ``text_loss``,
            ``regression_loss``, ``classification_loss``, and ``task_losses``, a label's mean in
            each task: NaN where the batch asks for none. With candidates ``candidate_logs
            (M, K, L)`` beside: the log-probability of each of their codes, at the M tokens that
            have any, in order.
        """
        embedded, at = self.embed(input_ids, blank=blank)
        inputs = {"inputs_embeds": embedded}
        if documents is not None:
            inputs["position_ids"] = restarted(documents.gather(1, at.opens))
        if source is not None:
            inputs["encoded"], inputs["real"] = self.encode(source, source_mask, source_blank)
        hidden = self.states(**inputs)
        codes, *begins = self._items(hidden, at.places, labels)
        each = torch.zeros_like(weights).index_put(tuple(begins), codes.sum(0))
        told = labels
        if ratings is not None and not self.rating_words:
            told = labels.masked_fill(row_has(ratings.isfinite(), documents), -100)
        words, *where = self._words(hidden, at.places, told)
        each = each.index_put(tuple(where), words)
        parts = {
            "code_loss": mean(codes),
            "level_losses": codes.detach().sum(1) / (codes.shape[1] or math.nan),
            "text_loss": mean(words),
        }
        if self.heads is not None and ratings is not None:
            row, token = ratings.isfinite().nonzero(as_tuple=True)
            read = hidden[row, at.places[row, token]]
            losses, by_head = self.heads.loss(read, ratings[row, token])
            each = each.index_put((row, token), losses, accumulate=True)
            parts |= {name: mean(part) for name, part in by_head.items()}
        count = (labels[:, 1:] != -100).sum() if num_items_in_batch is None else num_items_in_batch
        loss = (each * weights).sum() / torch.as_tensor(count).clamp(min=1)
        if self.item_head is not None:
            row, token = begins
            items = self.items_at(input_ids, labels != -100)[row, token]
            read = hidden[row, at.places[row, token] - 1]
            whole = self.item_head.loss(read, self.item_vectors(), items, weights[row, token])
            loss = loss + whole / torch.as_tensor(count).clamp(min=1)
            parts["item_loss"] = whole.detach() / (len(items) or math.nan)
        out = {"loss": loss, "task_losses": by_task(each, labels, tasks), **parts}
        if candidates is not None:
            out["candidate_logs"] = self._weigh(hidden, at.places, input_ids, blank, candidates)
        return out

    def _items(
        self, hidden: Tensor, places: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """``(L, M)``: the loss of each code of the items asked, and ``(M,)`` where they are."""
        asked = whole_items(labels, self.first, self.sizes)
        asked[:, 0] = False  # nothing stands before it that could say it
        row, token = asked.nonzero(as_tuple=True)
        place = token[:, None] + torch.arange(len(self.starts), device=token.device)
        codes = labels[row[:, None], place] - labels.new_tensor(self.starts)
        return -self._code_logs(hidden, row, places[row, token] - 1, codes).T, row, token

    def _weigh(
        self,
        hidden: Tensor,
        places: Tensor,
        input_ids: Tensor,
        blank: Tensor | None,
        candidates: Tensor,
    ) -> Tensor:
        row, token = (candidates[..., 0] >= 0).nonzero(as_tuple=True)
        codes = self.trie.paths(candidates[row, token].clamp(min=0))  # (M, K, L)
        if self.code_head is not None:
            return self._code_logs(hidden, row[:, None], (places[row, token] - 1)[:, None], codes)
        # each candidate stands where the next item stood: what comes later is hidden from it
        many, k, levels = codes.shape
        place = token[:, None, None] + torch.arange(levels, device=token.device)
        ids = input_ids[row][:, None].expand(-1, k, -1)
        ids = ids.scatter(2, place.expand_as(codes), codes + codes.new_tensor(self.starts))
        shown = None if blank is None else blank[row].repeat_interleave(k, 0)
        embedded, _ = self.embed(ids.flatten(0, 1), blank=shown)
        states = self.states(inputs_embeds=embedded)
        own = torch.arange(many * k, device=token.device).view(many, k)
        return self._code_logs(states, own, token[:, None] - 1, codes)

    def _code_logs(self, hidden: Tensor, row: Tensor, before: Tensor, codes: Tensor) -> Tensor:
        """Log-probabilities ``(..., L)`` of the codes ``(..., L)`` of items.

        Args:
            hidden: ``(B, P, D)``.
            row, before: ``(...)``, or what broadcasts to that: the position that items follow.
        """
        state, nodes = hidden[row, before], torch.zeros_like(row)
        prefix = state.new_zeros(state.shape, dtype=torch.float32)
        found = []
        for level in range(len(self.sizes)):
            code = codes[..., level]
            if level:
                state = self._next_state(hidden, row, before, prefix, level)
            logs = self.log_probs(state, level, nodes).expand(*code.shape, -1)
            found.append(logs.gather(-1, code[..., None])[..., 0])
            nodes = self.trie.descend(level, nodes, code)
            if self.code_head is not None:
                prefix = prefix + self.code_rows(level)[code]
        return torch.stack(found, dim=-1)

    def _next_state(
        self, hidden: Tensor, row: Tensor, before: Tensor, prefix: Tensor, level: int
    ) -> Tensor:
        """``(..., D)``: what names the code of ``level`` of items that follow ``before``."""
        if self.code_head is None:
            return hidden[row, before + level]
        state: Tensor = self.code_head(hidden[row, before].expand_as(prefix), prefix)
        return state

    def _words(
        self, hidden: Tensor, places: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """``(M,)``: the loss of each word asked, and where they are."""
        asked = (labels >= 0) & (labels < self.first)
        asked[:, 0] = False
        row, token = asked.nonzero(as_tuple=True)
        state = hidden[row, places[row, token] - 1]
        logits = self.causal.get_output_embeddings()(state).float()
        return cross_entropy(logits, labels[row, token], reduction="none"), row, token

    def add_model_tags(self, tags: object) -> None:
        """Model cards are not this model's business; the trainer asks."""


def mean(losses: Tensor) -> Tensor:
    """Their mean, for a log; NaN of none."""
    return losses.detach().sum() / (losses.numel() or math.nan)


def by_task(losses: Tensor, labels: Tensor, tasks: Tensor | None) -> Tensor:
    """A label's mean loss in each task up to the last that is here; NaN of a task without any.

    Args:
        losses, labels, tasks: ``(B, T)``.
    """
    tasks = torch.zeros_like(labels) if tasks is None else tasks
    sums = losses.new_zeros(int(tasks.max()) + 1)
    counts = sums.index_add(0, tasks.flatten(), (labels != -100).to(sums.dtype).flatten())
    return sums.index_add(0, tasks.flatten(), losses.detach().flatten()) / counts
