"""Every task's loss in one forward pass of one language model over items."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from .items import ItemModel
from .positions import restarted, row_has, whole_items


@dataclass(frozen=True, eq=False)
class Batch:
    """Lines of rows and what each token is to teach.

    Attributes:
        input_ids: ``(B, T)``, padded on the right: what comes after a token is hidden from it
            by causality, so there is no mask, and attention keeps its fast path.
        labels: ``(B, T)`` aligned with ``input_ids``; -100 where nothing is asked, as at the
            first token of a line and of a document. An item is asked as a whole.
        weights: ``(B, T)`` the loss weight of each token's task.
        tasks: ``(B, T)`` which task each token belongs to; None: all to one.
        back: ``(B, T)`` where an item begins, how many positions before its own stands the one
            that is to name it; None: it is the one before, always.
        blank: ``(B, T)`` bool, tokens that the model is not shown.
        ratings: ``(B, T)`` what the heads are to say at a token, on the data's scale; NaN where
            nothing. An item has said all it has to say at its last code.
        candidates: ``(B, T, K)`` items to be weighed where one begins; where the first is -1,
            none are. A row must have a line of its own, and no encoder.
        documents: ``(B, T)`` the number, ascending, of the row that each token of a packed line
            belongs to: rows do not see each other. None: a line is a row.
        source, source_mask, source_blank: ``(B, S)`` what the encoder reads, where there is
            one.
    """

    input_ids: Tensor
    labels: Tensor
    weights: Tensor
    tasks: Tensor | None = None
    back: Tensor | None = None
    blank: Tensor | None = None
    ratings: Tensor | None = None
    candidates: Tensor | None = None
    documents: Tensor | None = None
    source: Tensor | None = None
    source_mask: Tensor | None = None
    source_blank: Tensor | None = None


class MultitaskModel(ItemModel):
    """A model over items that learns every task's rows; its parts are :class:`ItemModel`'s.

    The language-model loss is taken on labelled positions only. Where the label is an item, its
    codes have the log-probabilities of :meth:`log_probs`; where it is a word, the softmax runs over
    the whole vocabulary.
    """

    def forward(self, batch: Batch, count: Tensor | float | None = None) -> dict[str, Tensor]:
        """The weighted loss of a batch and its parts.

        Args:
            count: what the summed loss is divided by; None: the labels here.

        Returns:
            ``loss`` and, for logging, mean ``code_loss`` and ``level_losses (L,)``, ``item_loss``
            under its weight, ``text_loss``,
            ``regression_loss``, ``classification_loss``, and ``task_losses``, a label's mean in
            each task: NaN where the batch asks for none. With candidates ``candidate_logs
            (M, K, L)`` beside: the log-probability of each of their codes, at the M tokens that
            have any, in order.
        """
        labels, weights, ratings, documents = (
            batch.labels, batch.weights, batch.ratings, batch.documents
        )  # fmt: skip
        embedded, at = self.embed(batch.input_ids, blank=batch.blank)
        inputs = {"inputs_embeds": embedded}
        if documents is not None:
            inputs["position_ids"] = restarted(documents.gather(1, at.opens))
        if batch.source is not None:
            inputs["encoded"], inputs["real"] = self.encode(
                batch.source, batch.source_mask, batch.source_blank
            )
        hidden = self.states(**inputs)
        codes, before, *begins = self._items(hidden, at.places, labels, batch.back)
        share = 1.0 if self.item_head is None else self.item_head.config.codes
        each = torch.zeros_like(weights).index_put(tuple(begins), share * codes.sum(0))
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
        count = (labels[:, 1:] != -100).sum() if count is None else count
        loss = (each * weights).sum() / torch.as_tensor(count).clamp(min=1)
        if self.item_head is not None:
            row, token = begins
            items = self.items_at(batch.input_ids, labels != -100)[row, token]
            read = hidden[row, before]
            whole = self.item_head.loss(read, self.item_vectors(), items, weights[row, token])
            loss = loss + whole / torch.as_tensor(count).clamp(min=1)
            parts["item_loss"] = whole.detach() / (len(items) or math.nan)
        out = {"loss": loss, "task_losses": by_task(each, labels, batch.tasks), **parts}
        if batch.candidates is not None:
            out["candidate_logs"] = self._weigh(hidden, at.places, batch, batch.candidates)
        return out

    def _items(
        self, hidden: Tensor, places: Tensor, labels: Tensor, back: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """``(L, M)``: the loss of each code of the items asked, ``(M,)`` the positions that name
        them, and ``(M,)`` where they are."""
        asked = whole_items(labels, self.first, self.sizes)
        asked[:, 0] = False  # nothing stands before it that could say it
        row, token = asked.nonzero(as_tuple=True)
        place = token[:, None] + torch.arange(len(self.starts), device=token.device)
        codes = labels[row[:, None], place] - labels.new_tensor(self.starts)
        before = places[row, token] - (1 if back is None else back[row, token])
        return -self._code_logs(hidden, row, before, codes).T, before, row, token

    def _weigh(self, hidden: Tensor, places: Tensor, batch: Batch, candidates: Tensor) -> Tensor:
        row, token = (candidates[..., 0] >= 0).nonzero(as_tuple=True)
        codes = self.trie.paths(candidates[row, token].clamp(min=0))  # (M, K, L)
        if self.code_head is not None:
            return self._code_logs(hidden, row[:, None], (places[row, token] - 1)[:, None], codes)
        # each candidate stands where the next item stood: what comes later is hidden from it
        many, k, levels = codes.shape
        place = token[:, None, None] + torch.arange(levels, device=token.device)
        ids = batch.input_ids[row][:, None].expand(-1, k, -1)
        ids = ids.scatter(2, place.expand_as(codes), codes + codes.new_tensor(self.starts))
        shown = None if batch.blank is None else batch.blank[row].repeat_interleave(k, 0)
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
