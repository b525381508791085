"""A multitask model as the beam sees it: log-probabilities of codes, prompt read once."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor
from transformers import DynamicCache

from .multitask import MultitaskModel


class CodeScorer(ABC):
    """Scores code prefixes for B prompts that are read once.

    Args:
        model: in eval mode.
        input_ids, attention_mask: ``(B, T)``, padded on either side.
    """

    def __init__(self, model: MultitaskModel, input_ids: Tensor, attention_mask: Tensor) -> None:
        self.model = model
        self.embedded, at = model.embed(input_ids, attention_mask)
        self.mask = at.real
        self.lengths = at.real.sum(1)

    @abstractmethod
    def _read(self) -> Tensor:
        """``(B, D)``: the state after each prompt."""

    @abstractmethod
    def _follow(self, codes: Tensor, parents: Tensor) -> Tensor:
        """``(B, K, D)``: the states after ``codes``."""

    def start(self) -> Tensor:
        """``(B, C_0)``: log-probabilities of the first code."""
        self.level = 0
        self.nodes = torch.zeros(len(self.mask), 1, dtype=torch.int64, device=self.mask.device)
        return self._log_probs(self._read()[:, None])[:, 0]

    def step(self, codes: Tensor, parents: Tensor) -> Tensor:
        """Log-probabilities ``(B, K, C_l)`` after appending ``codes`` ``(B, K)``.

        Args:
            codes: the last code of each beam.
            parents: which beam of the previous step each one extends.
        """
        self.nodes = self.model.trie.descend(self.level, self.nodes.gather(1, parents), codes)
        states = self._follow(codes, parents)
        self.level += 1
        return self._log_probs(states)

    def _log_probs(self, states: Tensor) -> Tensor:
        return self.model.log_probs(states, self.level, self.nodes)

    def _after_prompt(self, hidden: Tensor) -> Tensor:
        return hidden[torch.arange(len(hidden), device=hidden.device), self.lengths - 1]


class TokenScorer(CodeScorer):
    """For models in which each code is a token.

    The beams of a request are extra query tokens of its one row: each sees the prompt and its own
    ancestors through a tree mask and stands at its own position, so neither the prompt nor the
    cache is ever copied to the beams.
    """

    def _read(self) -> Tensor:
        self.cache = DynamicCache()
        hidden = self.model.decoder(
            inputs_embeds=self.embedded,
            attention_mask=self.mask.long(),
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state
        self.dtype = hidden.dtype
        self.ancestors: Tensor | None = None
        return self._after_prompt(hidden)

    def _follow(self, codes: Tensor, parents: Tensor) -> Tensor:
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
        hidden: Tensor = self.model.decoder(
            input_ids=codes + self.model.starts[self.level],
            attention_mask=visible,
            position_ids=(self.lengths + self.level)[:, None].expand(batch, beams),
            past_key_values=self.cache,
            use_cache=True,
        ).last_hidden_state
        return hidden


class PositionScorer(CodeScorer):
    """For models in which an item is one position: the language model is run once a prompt."""

    def _read(self) -> Tensor:
        hidden = self.model.decoder(
            inputs_embeds=self.embedded, attention_mask=self.mask.long()
        ).last_hidden_state
        self.state = self._after_prompt(hidden)
        self.prefix = torch.zeros_like(self.state)[:, None]
        return self.state

    def _follow(self, codes: Tensor, parents: Tensor) -> Tensor:
        assert self.model.code_head is not None
        width = self.prefix.shape[2]
        inherited = self.prefix.gather(1, parents[..., None].expand(-1, -1, width))
        self.prefix = inherited + self.model.code_rows(self.level)[codes]
        states: Tensor = self.model.code_head(
            self.state[:, None].expand(-1, codes.shape[1], -1), self.prefix
        )
        return states


def code_scorer(model: MultitaskModel, input_ids: Tensor, attention_mask: Tensor) -> CodeScorer:
    """The scorer that suits ``model``; arguments as :class:`CodeScorer`."""
    kind = TokenScorer if model.code_head is None else PositionScorer
    return kind(model, input_ids, attention_mask)


def score_codes(
    model: MultitaskModel, input_ids: Tensor, attention_mask: Tensor, catalogue: Tensor
) -> Tensor:
    """Log-probability ``(B, N)`` of every item: no cache, no tree, no search; the oracle.

    Args:
        catalogue: ``(N, L)``, the codes of all items.
    """
    n_items, levels = catalogue.shape
    tokens = catalogue + catalogue.new_tensor(model.starts)
    item = torch.arange(n_items, device=catalogue.device)
    scores = []
    for row, mask in zip(input_ids, attention_mask, strict=True):
        prompt = row[mask.bool()].expand(n_items, -1)
        embedded, at = model.embed(torch.cat([prompt, tokens], dim=1))
        hidden = model.decoder(inputs_embeds=embedded).last_hidden_state
        before = int(at.places[0, prompt.shape[1]]) - 1
        total = hidden.new_zeros(n_items, dtype=torch.float32)
        for level in range(levels):
            if model.code_head is None:
                state = hidden[:, before + level]
            elif level:
                named = [model.code_rows(up)[catalogue[:, up]] for up in range(level)]
                state = model.code_head(hidden[:, before], torch.stack(named).sum(0))
            else:
                state = hidden[:, before]
            logits = model.code_logits(state, level)
            # (N, N): the items that share the codes before, which stand for their next codes
            kin = (catalogue[None, :, :level] == catalogue[:, None, :level]).all(2)
            logits = logits[:, catalogue[:, level]]
            if model.tied and level == levels - 1:
                logits = -catalogue[None, :, level].float().expand(n_items, -1)
            if level == levels - 1 and model.item_rows is not None:
                logits = logits + state.float() @ model.item_rows.float().T
            first = (catalogue[:, : level + 1, None] == catalogue.T[None, : level + 1]).all(1)
            alone = first.float().argmax(1) == item  # each next code once
            logs = logits.masked_fill(~(kin & alone), -torch.inf).logsumexp(1)
            total = total + logits[item, item] - logs
        scores.append(total)
    return torch.stack(scores)
