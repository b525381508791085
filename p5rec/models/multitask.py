"""The losses of all tasks in one forward pass of a language model over items."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from p5rec.backbones.attention import additive, adds_mask
from p5rec.backbones.tree_attention import takes_blocks

from .items import ItemModel
from .point_adapter import SoftTokens
from .positions import Positions, Tree, any_in_document, item_starts, restarted


@dataclass(frozen=True, eq=False)
class Batch:
    """B sequences of T tokens with labels; a sequence holds one example, or several when packed.

    Attributes:
        input_ids: ``(B, T)``, padded on the right. The model is causal, so there is no mask, and
            attention keeps its fast path.
        labels: ``(B, T)`` aligned with ``input_ids``; -100 for no target, as at the first token
            of a sequence and of a document. An item is a target with all its codes or none.
        weights: ``(B, T)`` the loss weight of each token's task.
        tasks: ``(B, T)`` the task of each token; None: all tokens have the same.
        mask: ``(B, T)`` bool, False for padding; None: there is none.
        steps_back: ``(B, T)`` for the first token of an item: how many positions earlier it is
            predicted; None: one position earlier, always.
        blank: ``(B, T)`` bool, tokens hidden from the model.
        ratings: ``(B, T)`` target of the rating heads at a token, on the data's scale; NaN for no
            target. The target of an item is at its last code.
        candidates: ``(B, T, K)`` items to score at the first token of an item; a first entry of
            -1 means none. Needs one example a sequence, and no encoder.
        documents: ``(B, T)`` the ascending number of the example that each token of a packed
            sequence belongs to, -1 for padding; examples do not attend to each other. None: no
            packing.
        after: ``(B, T)`` the token that the document of each token continues, as a branch of a
            tree: the document also attends to that token and to those before it in their own
            document, and its positions follow theirs. -1: it continues none. Needs ``documents``,
            and no encoder. None: no document continues another.
        source, source_mask, source_blank: ``(B, S)`` input of the encoder, if there is one; all
            documents of a sequence read it.
        soft, source_soft: ``(B, T)`` and ``(B, S)``, the row in ``points`` of the vector that each
            token stands for, -1 for a word; None: all tokens are words.
        points: ``(V, d)`` the vectors of all sequences.
    """

    input_ids: Tensor
    labels: Tensor
    weights: Tensor
    tasks: Tensor | None = None
    mask: Tensor | None = None
    steps_back: Tensor | None = None
    blank: Tensor | None = None
    ratings: Tensor | None = None
    candidates: Tensor | None = None
    documents: Tensor | None = None
    after: Tensor | None = None
    source: Tensor | None = None
    source_mask: Tensor | None = None
    source_blank: Tensor | None = None
    soft: Tensor | None = None
    source_soft: Tensor | None = None
    points: Tensor | None = None

    def soft_tokens(self, numbers: Tensor | None) -> SoftTokens | None:
        """The tokens that stand for vectors, by their ``numbers``; None: there are none."""
        if numbers is None or self.points is None:
            return None
        return SoftTokens(numbers, self.points)


class MultitaskModel(ItemModel):
    """An :class:`ItemModel` with the losses of all tasks.

    The language-model loss is computed at labelled positions only: for an item from the
    log-probabilities of its codes (:meth:`log_probs`), for a word from a softmax over the
    vocabulary.
    """

    def forward(self, batch: Batch, count: Tensor | float | None = None) -> dict[str, Tensor]:
        """The weighted loss of a batch and its loss terms.

        Args:
            count: divisor of the summed loss; None: the number of labels in the batch.

        Returns:
            ``loss`` and, for logging, mean ``code_loss``, ``level_losses (L,)``, weighted
            ``item_loss``, ``text_loss``, ``regression_loss``, ``classification_loss``, and
            ``task_losses``, the mean per label of each task. A term without targets in the batch
            is NaN. With candidates also ``candidate_logs (M, K, L)``: the log-probability of each
            code of the candidates, at the M tokens that have some, in order.
        """
        labels, weights, ratings, documents = (
            batch.labels, batch.weights, batch.ratings, batch.documents
        )  # fmt: skip
        soft = batch.soft_tokens(batch.soft)
        # An item's padding is as long as its codes. Where they are predicted they are few, and the
        # padding stays: it moves the draws of dropout.
        mask = None if self.predicts_codes else batch.mask
        embedded, at = self.embed(batch.input_ids, mask, blank=batch.blank, soft=soft)
        inputs: dict[str, Any] = {"inputs_embeds": embedded}
        if documents is not None:
            inputs |= self._documents(at, documents, batch.after, embedded.dtype)
        if batch.source is not None:
            inputs["encoded"], inputs["real"] = self.encode(
                batch.source,
                batch.source_mask,
                batch.source_blank,
                batch.soft_tokens(batch.source_soft),
            )
        hidden = self.states(**inputs)
        codes, before, *starts = self._items(hidden, at.token_positions, labels, batch.steps_back)
        code_weight = 1.0 if self.item_head is None else self.item_head.config.codes
        per_token = torch.zeros_like(weights).index_put(tuple(starts), code_weight * codes.sum(0))
        word_labels = labels
        if ratings is not None and not self.rating_words:
            rated = any_in_document(ratings.isfinite(), documents)
            word_labels = labels.masked_fill(rated, -100)
        words, *where = self._words(hidden, at.token_positions, word_labels)
        per_token = per_token.index_put(tuple(where), words)
        terms = {
            "code_loss": mean(codes),
            "level_losses": codes.detach().sum(1) / (codes.shape[1] or math.nan),
            "text_loss": mean(words),
        }
        if self.heads is not None and ratings is not None:
            sequence, token = ratings.isfinite().nonzero(as_tuple=True)
            states = hidden[sequence, at.token_positions[sequence, token]]
            losses, by_head = self.heads.loss(states, ratings[sequence, token])
            per_token = per_token.index_put((sequence, token), losses, accumulate=True)
            terms |= {name: mean(term) for name, term in by_head.items()}
        count = (labels[:, 1:] != -100).sum() if count is None else count
        loss = (per_token * weights).sum() / torch.as_tensor(count).clamp(min=1)
        if self.item_head is not None:
            sequence, token = starts
            items = self.items_of(self.codes_at(batch.input_ids, sequence, token))
            states, vectors = hidden[sequence, before], self.item_vectors()
            item_loss = self.item_head.loss(states, vectors, items, weights[sequence, token])
            loss = loss + item_loss / torch.as_tensor(count).clamp(min=1)
            terms["item_loss"] = item_loss.detach() / (len(items) or math.nan)
        out = {"loss": loss, "task_losses": by_task(per_token, labels, batch.tasks), **terms}
        if batch.candidates is not None:
            out["candidate_logs"] = self._candidate_logs(
                hidden, at.token_positions, batch, batch.candidates
            )
        return out

    def _documents(
        self, at: Positions, documents: Tensor, after: Tensor | None, dtype: torch.dtype
    ) -> dict[str, Any]:
        """Inputs of the decoder that keep documents apart, or make them branches of a tree."""
        of_position = documents.gather(1, at.first_tokens)
        if self.seq2seq:  # relative positions need no numbers
            alone = Tree(of_position, torch.full_like(of_position, -1))
            return {"attention_mask": additive(alone.reads, dtype)}
        if after is None:
            return {"position_ids": restarted(of_position)}
        token = after.gather(1, at.first_tokens)
        position = at.token_positions.gather(1, token.clamp(min=0))
        tree = Tree(of_position, torch.where(token < 0, -1, position))
        if takes_blocks(self.causal):
            # transformers makes no mask where there is a four-dimensional one; none is read
            unread = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=documents.device)
            return {"position_ids": tree.numbers, "attention_mask": unread, "blocks": tree.blocks()}
        reads = additive(tree.reads, dtype) if adds_mask(self.causal) else tree.reads
        return {"position_ids": tree.numbers, "attention_mask": reads}

    def _items(
        self, hidden: Tensor, token_positions: Tensor, labels: Tensor, steps_back: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The loss ``(L, M)`` of each code of M target items, the positions ``(M,)`` that predict
        them, and their sequences ``(M,)`` and first tokens ``(M,)``; no loss ``(0, M)`` if the
        item head alone predicts items."""
        targets = item_starts(labels, self.first, self.sizes)
        targets[:, 0] = False  # no position precedes the first token
        sequence, token = targets.nonzero(as_tuple=True)
        before = token_positions[sequence, token] - (
            1 if steps_back is None else steps_back[sequence, token]
        )
        if not self.predicts_codes:
            return hidden.new_zeros(0, len(sequence)), before, sequence, token
        codes = self.codes_at(labels, sequence, token)
        return -self._code_logs(hidden, sequence, before, codes).T, before, sequence, token

    def _candidate_logs(
        self, hidden: Tensor, token_positions: Tensor, batch: Batch, candidates: Tensor
    ) -> Tensor:
        """``(M, K, L)``: log-probabilities of the codes of all candidates."""
        sequence, token = (candidates[..., 0] >= 0).nonzero(as_tuple=True)
        codes = self.trie.paths(candidates[sequence, token].clamp(min=0))  # (M, K, L)
        if self.code_head is not None:
            before = token_positions[sequence, token] - 1
            return self._code_logs(hidden, sequence[:, None], before[:, None], codes)
        # each candidate replaces the next item; later tokens are hidden from it
        many, k, levels = codes.shape
        tokens = token[:, None, None] + torch.arange(levels, device=token.device)
        ids = batch.input_ids[sequence][:, None].expand(-1, k, -1)
        ids = ids.scatter(2, tokens.expand_as(codes), codes + codes.new_tensor(self.starts))
        blank = None if batch.blank is None else batch.blank[sequence].repeat_interleave(k, 0)
        embedded, _ = self.embed(ids.flatten(0, 1), blank=blank)
        states = self.states(inputs_embeds=embedded)
        index = torch.arange(many * k, device=token.device).view(many, k)
        return self._code_logs(states, index, token[:, None] - 1, codes)

    def _code_logs(self, hidden: Tensor, sequence: Tensor, before: Tensor, codes: Tensor) -> Tensor:
        """Log-probabilities ``(..., L)`` of the codes ``(..., L)`` of items.

        Args:
            hidden: ``(B, P, D)``.
            sequence, before: ``(...)`` or broadcastable to it: the position before each item.
        """
        state, nodes = hidden[sequence, before], torch.zeros_like(sequence)
        prefix = state.new_zeros(state.shape, dtype=torch.float32)
        by_level = []
        for level in range(len(self.sizes)):
            code = codes[..., level]
            if level:
                state = self._next_state(hidden, sequence, before, prefix, level)
            logs = self.log_probs(state, level, nodes).expand(*code.shape, -1)
            by_level.append(logs.gather(-1, code[..., None])[..., 0])
            nodes = self.trie.descend(level, nodes, code)
            if self.code_head is not None:
                prefix = prefix + self.code_embeddings(level)[code]
        return torch.stack(by_level, dim=-1)

    def _next_state(
        self, hidden: Tensor, sequence: Tensor, before: Tensor, prefix: Tensor, level: int
    ) -> Tensor:
        """``(..., D)``: the state that predicts the code of ``level`` of items after ``before``."""
        if self.code_head is None:
            return hidden[sequence, before + level]
        state: Tensor = self.code_head(hidden[sequence, before].expand_as(prefix), prefix)
        return state

    def _words(
        self, hidden: Tensor, token_positions: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The loss of each target word, its sequence and its token, each ``(M,)``."""
        targets = (labels >= 0) & (labels < self.first)
        targets[:, 0] = False
        sequence, token = targets.nonzero(as_tuple=True)
        state = hidden[sequence, token_positions[sequence, token] - 1]
        logits = self.causal.get_output_embeddings()(state).float()
        return cross_entropy(logits, labels[sequence, token], reduction="none"), sequence, token

    def add_model_tags(self, tags: object) -> None:
        """Does nothing; the trainer calls it, and p5rec writes no model cards."""


def mean(losses: Tensor) -> Tensor:
    """The mean loss for logging, without gradient; NaN if there is none."""
    return losses.detach().sum() / (losses.numel() or math.nan)


def by_task(losses: Tensor, labels: Tensor, tasks: Tensor | None) -> Tensor:
    """The mean loss per label of each task up to the last in the batch; NaN without labels.

    Args:
        losses, labels, tasks: ``(B, T)``.
    """
    tasks = torch.zeros_like(labels) if tasks is None else tasks
    sums = losses.new_zeros(int(tasks.max()) + 1)
    counts = sums.index_add(0, tasks.flatten(), (labels != -100).to(sums.dtype).flatten())
    return sums.index_add(0, tasks.flatten(), losses.detach().flatten()) / counts
