"""One language model, its item codes, and the heads: every task's loss in one forward pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear

from p5rec.backbones.load import Backbone

from .heads import RatingHeads


class MultitaskModel(nn.Module):
    """A backbone with item codes in its vocabulary and, where ratings are learned, two heads.

    The language-model loss is taken on labelled positions only. Where the label is an item code,
    the softmax runs over the codes of its level alone (the normalisation called ``level``);
    where it is a word, over the whole vocabulary.

    Args:
        backbone: the language model, grown by ``sum(sizes)`` code tokens.
        sizes: codebook size of each level.
        scale: the distinct ratings, ascending, or empty for no rating heads.
    """

    def __init__(
        self, backbone: Backbone, sizes: Sequence[int], scale: Sequence[float] = ()
    ) -> None:
        super().__init__()
        self.lm = backbone.model
        self.first = backbone.first_new
        self.sizes = tuple(sizes)
        self.config = self.causal.config
        self.generation_config = self.causal.generation_config
        self.heads = RatingHeads(self.config.hidden_size, scale) if len(scale) else None

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

    def code_rows(self, level: int) -> Tensor:
        """``(C_l, D)``: the output rows of one level's codes."""
        start = sum(self.sizes[:level])
        return self.causal.get_output_embeddings().new[start : start + self.sizes[level]]

    def code_logits(self, hidden: Tensor, level: int) -> Tensor:
        """``(..., D)`` hidden states → ``(..., C_l)`` float32 logits over one level's codes."""
        return linear(hidden, self.code_rows(level).to(hidden.dtype)).float()

    def forward(
        self,
        input_ids: Tensor,
        labels: Tensor,
        weights: Tensor,
        ratings: Tensor | None = None,
        answer_at: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
    ) -> dict[str, Tensor]:
        """The weighted loss of a batch and its parts.

        Args:
            input_ids: ``(B, T)``, padded on the right: what comes after a token is hidden from it
                by causality, so there is no mask, and attention keeps its fast path.
            labels: ``(B, T)`` aligned with ``input_ids``; -100 where nothing is asked.
            weights: ``(B,)`` each row's task weight.
            ratings: ``(B,)`` on the data's scale, NaN where the row has none.
            answer_at: ``(B,)`` the last position of each row's question, which the heads read.
            num_items_in_batch: what the summed loss is divided by; None: the labels here.

        Returns:
            ``loss`` and, for logging, mean ``code_loss``, ``text_loss``, ``rating_loss``: NaN
            where the batch asks for none.
        """
        hidden = self.decoder(input_ids=input_ids).last_hidden_state
        asked = hidden[:, :-1]
        wanted = labels[:, 1:]
        rows = weights[:, None].expand_as(wanted)
        code_sum, code_part = self._codes(asked, wanted, rows)
        text_sum, text_part = self._words(asked, wanted, rows)
        parts = {"code_loss": code_part, "text_loss": text_part}
        total = code_sum + text_sum
        if self.heads is not None and ratings is not None and answer_at is not None:
            at = hidden[torch.arange(len(hidden), device=hidden.device), answer_at]
            head_sum, parts["rating_loss"] = self.heads.loss(at, ratings, weights)
            total = total + head_sum
        count = (wanted != -100).sum() if num_items_in_batch is None else num_items_in_batch
        return {"loss": total / torch.as_tensor(count).clamp(min=1), **parts}

    def _codes(self, hidden: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        total = hidden.new_zeros((), dtype=torch.float32)
        nll, count = total.detach().clone(), 0
        start = self.first
        for level, size in enumerate(self.sizes):
            here = (labels >= start) & (labels < start + size)
            losses = cross_entropy(
                self.code_logits(hidden[here], level), labels[here] - start, reduction="none"
            )
            total = total + (losses * weights[here]).sum()
            nll, count = nll + losses.detach().sum(), count + losses.numel()
            start += size
        return total, nll / (count or math.nan)

    def _words(self, hidden: Tensor, labels: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        here = (labels >= 0) & (labels < self.first)
        logits = self.causal.get_output_embeddings()(hidden[here]).float()
        losses = cross_entropy(logits, labels[here], reduction="none")
        return (losses * weights[here]).sum(), losses.detach().sum() / (losses.numel() or math.nan)

    def add_model_tags(self, tags: object) -> None:
        """Model cards are not this model's business; the trainer asks."""
