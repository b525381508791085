"""A multitask model as the beam sees it: log-probabilities of codes, prompt read once."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import DynamicCache

from .multitask import MultitaskModel


class CausalScorer:
    """Scores code prefixes for B prompts whose keys and values are computed once.

    The beams of a request are extra query tokens of its one row: each sees the prompt and its own
    ancestors through a tree mask and stands at its own position, so neither the prompt nor the
    cache is ever copied to the beams.

    Args:
        model: in eval mode.
        input_ids, attention_mask: ``(B, T)``, padded on the left.
    """

    def __init__(self, model: MultitaskModel, input_ids: Tensor, attention_mask: Tensor) -> None:
        self.model = model
        self.input_ids = input_ids
        self.mask = attention_mask.bool()
        self.lengths = attention_mask.sum(1)
        self.starts = [sum(model.sizes[:level]) for level in range(len(model.sizes))]

    def start(self) -> Tensor:
        """``(B, C_0)``: log-probabilities of the first code."""
        self.cache = DynamicCache()
        positions = (self.mask.long().cumsum(1) - 1).clamp(min=0)
        hidden = self.model.decoder(
            input_ids=self.input_ids,
            attention_mask=self.mask.long(),
            position_ids=positions,
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state
        self.level = 0
        self.dtype = hidden.dtype
        self.ancestors: Tensor | None = None
        return self.model.code_logits(hidden[:, -1], 0).log_softmax(-1)

    def step(self, codes: Tensor, parents: Tensor) -> Tensor:
        """Log-probabilities ``(B, K, C_l)`` after appending ``codes`` ``(B, K)``.

        Args:
            codes: the last code of each beam.
            parents: which beam of the previous step each one extends.
        """
        batch, beams = codes.shape
        own = torch.eye(beams, dtype=torch.bool, device=codes.device).expand(batch, -1, -1)
        if self.ancestors is None:
            self.ancestors = own
        else:
            inherited = self.ancestors.gather(
                1, parents[..., None].expand(-1, -1, self.ancestors.shape[2])
            )
            self.ancestors = torch.cat([inherited, own], dim=2)
        prompt = self.mask[:, None].expand(-1, beams, -1)
        visible = torch.cat([prompt, self.ancestors], dim=2)[:, None]
        if self.model.config._attn_implementation == "eager":  # it adds the mask to the scores
            hidden_by = torch.finfo(self.dtype).min
            visible = torch.zeros_like(visible, dtype=self.dtype).masked_fill(~visible, hidden_by)
        hidden = self.model.decoder(
            input_ids=codes + self.model.first + self.starts[self.level],
            attention_mask=visible,
            position_ids=(self.lengths + self.level)[:, None].expand(batch, beams),
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state
        self.level += 1
        return self.model.code_logits(hidden, self.level).log_softmax(-1)


def score_codes(
    model: MultitaskModel, input_ids: Tensor, attention_mask: Tensor, codes: Tensor
) -> Tensor:
    """Log-probability ``(B, M)`` of whole code tuples ``(M, L)``: no cache, no trie; the oracle."""
    starts = codes.new_tensor([sum(model.sizes[:level]) for level in range(codes.shape[1])])
    tokens = codes + model.first + starts
    scores = []
    for row, mask in zip(input_ids, attention_mask, strict=True):
        prompt = row[mask.bool()].expand(len(codes), -1)
        full = torch.cat([prompt, tokens], dim=1)
        hidden = model.decoder(input_ids=full).last_hidden_state[:, prompt.shape[1] - 1 : -1]
        total = hidden.new_zeros(len(codes), dtype=torch.float32)
        for level in range(codes.shape[1]):
            logs = model.code_logits(hidden[:, level], level).log_softmax(-1)
            total = total + logs.gather(1, codes[:, level : level + 1]).squeeze(1)
        scores.append(total)
    return torch.stack(scores)
