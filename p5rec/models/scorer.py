"""Scorers for beam search: log-probabilities of codes, after one pass over the prompts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from p5rec.backbones.attention import adds_mask

from .decoder_readers import DecoderBranchReader, DecoderReader
from .language import LanguageModel
from .multitask import MultitaskModel
from .point_adapter import SoftTokens
from .readers import BranchReader, Reader, Rereader, TreeReader

if TYPE_CHECKING:
    from transformers.modeling_outputs import BaseModelOutput


def prompt_reader(
    model: LanguageModel,
    input_ids: Tensor,
    attention_mask: Tensor,
    soft: SoftTokens | None = None,
) -> TreeReader | DecoderReader | Rereader:
    """A reader of B prompts with ``model``, whose outputs are hidden states.

    Args:
        model: in eval mode.
        input_ids, attention_mask: ``(B, T)``, padded on either side. The decoder of a model with
            relative positions reads a prompt from its start token on, if the prompt has one.
        soft: the tokens that stand for vectors; None: all are words.
    """
    if model.seq2seq:
        real = attention_mask.bool()
        later, prefix = torch.zeros_like(real), None
        if model.traits.relative_positions:
            later = real & ((real & (input_ids == model.start)).cumsum(1) > 0)
        if later.any():
            embedded, at = model.embed(input_ids, later, at_end=True)
            prefix = embedded, at.real
        encoded = model.encode(input_ids, real & ~later, soft=soft)
        return DecoderReader(partial(_decode, model), *encoded, model.start, prefix)
    embedded, at = model.embed(input_ids, attention_mask, soft=soft)
    if not model.traits.kv_cache:
        return Rereader(model.states, model.causal.get_input_embeddings(), embedded, at.real)
    return TreeReader(
        model.states,
        {"inputs_embeds": embedded},
        at.real,
        right=True,
        added=adds_mask(model.causal),
    )


def branch_reader(
    model: LanguageModel,
    histories: tuple[Tensor, Tensor],
    prompts: tuple[Tensor, Tensor],
    history_of: Tensor,
) -> BranchReader | DecoderBranchReader:
    """A reader of B prompts that continue G histories, each of which is computed once.

    Args:
        model: in eval mode, with a key-value cache, and with relative positions if it has an
            encoder.
        histories: ids and mask, ``(G, S)``, padded on the right.
        prompts: ids and mask, ``(B, T)``, padded on the right.
        history_of: ``(B,)`` the history that each prompt continues.
    """
    if model.seq2seq:
        ids, real = (
            pad(each, (1, 0), value=first)
            for each, first in zip(prompts, (model.start, 1), strict=True)
        )
        asked, at = model.embed(ids, real, at_end=True)
        return DecoderBranchReader(
            partial(_decode, model), model.encode(*histories), (asked, at.real), history_of,
            model.start,
        )  # fmt: skip
    embedded, at = model.embed(*histories)
    asked, asked_at = model.embed(*prompts)
    return BranchReader(
        model.states,
        (embedded, at.real),
        (asked, asked_at.real),
        history_of,
        added=adds_mask(model.causal),
    )


def _decode(
    model: LanguageModel,
    encoder_outputs: BaseModelOutput,
    attention_mask: Tensor,
    **inputs: Any,
) -> Tensor:
    encoded = encoder_outputs.last_hidden_state
    own = {name.removeprefix("decoder_"): value for name, value in inputs.items()}
    return model.states(encoded, attention_mask, **own)


class CodeScorer(ABC):
    """Scores code prefixes for B prompts with one pass over the prompts.

    Args:
        model: in eval mode.
        reader: of the prompts' hidden states.
        item_head_weight: weight of the item head's log-probabilities, added at the last code.
        table: ``(N, D)`` of the item head (:meth:`p5rec.models.items.ItemModel.item_table`); None:
            it is computed here.
    """

    item_head_weight = 0.0
    table: Tensor | None = None  # (N, D)
    item_scores: Tensor | None = None  # (B, N), added at the last code

    def __init__(
        self,
        model: MultitaskModel,
        reader: Reader,
        item_head_weight: float = 0.0,
        table: Tensor | None = None,
    ) -> None:
        self.model, self.reader, self.table = model, reader, table
        if model.item_head is not None:
            self.item_head_weight = item_head_weight

    @abstractmethod
    def _read(self) -> Tensor:
        """``(B, D)``: the state after each prompt."""

    @abstractmethod
    def _follow(self, codes: Tensor, parents: Tensor) -> Tensor:
        """``(B, K, D)``: the states after ``codes``."""

    def start(self) -> Tensor:
        """``(B, C_0)``: log-probabilities of the first code."""
        self.level, state = 0, self._read()
        self.nodes = torch.zeros(len(state), 1, dtype=torch.int64, device=state.device)
        if self.item_head_weight:
            self.item_scores = self.item_head_weight * self.model.item_logs(state, self.table)
        return self._log_probs(state[:, None])[:, 0]

    def step(self, codes: Tensor, parents: Tensor) -> Tensor:
        """Log-probabilities ``(B, K, C_l)`` after appending ``codes`` ``(B, K)``.

        Args:
            codes: the last code of each beam.
            parents: the beam of the previous step that each beam extends.
        """
        self.nodes = self.model.trie.descend(self.level, self.nodes.gather(1, parents), codes)
        states = self._follow(codes, parents)
        self.level += 1
        return self._log_probs(states)

    def _log_probs(self, states: Tensor) -> Tensor:
        logs, trie = self.model.log_probs(states, self.level, self.nodes), self.model.trie
        if self.item_scores is None or self.level + 1 < trie.levels:
            return logs
        return trie.add_to_children(self.level, self.nodes, logs, self._leaf_scores)

    def _leaf_scores(self, leaves: Tensor) -> Tensor:
        """``(B, K, F)``: the item head's weighted scores of the items at ``leaves``."""
        assert self.item_scores is not None
        items = self.model.trie.leaf_item[leaves]
        return self.item_scores.gather(1, items.flatten(1)).view_as(leaves)


class TokenScorer(CodeScorer):
    """For models in which each code is a token: beams are tokens of a tree.

    With the normalisation ``items``, the remaining codes of a beam with only one item are certain,
    so the language model is not run for it.
    """

    def _read(self) -> Tensor:
        self.slots: Tensor | None = None  # (B, K): the reader's index of each beam
        state = self.reader.read()
        self.dtype = state.dtype
        return state

    def _follow(self, codes: Tensor, parents: Tensor) -> Tensor:
        tokens = codes + self.model.starts[self.level]
        if self.model.normalisation != "items":
            return self.reader.follow({"input_ids": tokens}, parents)
        before = parents if self.slots is None else self.slots.gather(1, parents)
        leaves = self.model.trie.leaf_starts[self.level + 1]
        ambiguous = leaves[self.nodes + 1] - leaves[self.nodes] > 1
        most = int(ambiguous.sum(1).max())
        width = self.model.traits.width
        states = torch.zeros(*codes.shape, width, device=codes.device, dtype=self.dtype)
        order = (~ambiguous).to(torch.int8).argsort(dim=1, stable=True)
        self.slots = order.argsort(dim=1).clamp(max=max(0, most - 1))
        if not most:
            return states
        order = order[:, :most]
        computed = self.reader.follow(
            {"input_ids": tokens.gather(1, order)}, before.gather(1, order)
        )
        return states.scatter(1, order[..., None].expand(-1, -1, width), computed)


class PositionScorer(CodeScorer):
    """For models in which an item is one position: one language model pass a prompt."""

    def _read(self) -> Tensor:
        self.state = self.reader.read(keep=False)
        self.prefix = torch.zeros_like(self.state)[:, None]
        return self.state

    def _follow(self, codes: Tensor, parents: Tensor) -> Tensor:
        assert self.model.code_head is not None
        width = self.prefix.shape[2]
        inherited = self.prefix.gather(1, parents[..., None].expand(-1, -1, width))
        self.prefix = inherited + self.model.code_embeddings(self.level)[codes]
        states: Tensor = self.model.code_head(
            self.state[:, None].expand(-1, codes.shape[1], -1), self.prefix
        )
        return states


def code_scorer(
    model: MultitaskModel,
    reader: Reader,
    item_head_weight: float = 0.0,
    table: Tensor | None = None,
) -> CodeScorer:
    """The scorer for the type of ``model``; arguments as in :class:`CodeScorer`."""
    kind = TokenScorer if model.code_head is None else PositionScorer
    return kind(model, reader, item_head_weight, table)
