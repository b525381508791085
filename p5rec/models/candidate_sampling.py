"""Candidate items at many positions of a history: the top items, or items sampled from the model.

The history is encoded once if the model allows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from p5rec.decode.allowed import Allowed, ItemLists, OpenNodes
from p5rec.decode.beam import beam_search
from p5rec.decode.independent_sampling import sample_independently

from .multitask import MultitaskModel
from .positions import item_starts
from .scorer import CodeScorer, PositionScorer, code_scorer, prompt_reader


class StateScorer(PositionScorer):
    """Scores codes from precomputed states, for models in which an item is one position.

    The item head is not used, because alignment trains the codes only.

    Args:
        states: ``(B, D)``.
    """

    def __init__(self, model: MultitaskModel, states: Tensor) -> None:
        self.model, self.state = model, states

    def _read(self) -> Tensor:
        self.prefix = torch.zeros_like(self.state)[:, None]
        return self.state


def item_starting_at(model: MultitaskModel, input_ids: Tensor) -> Tensor:
    """``(B, T)``: the item that starts at a token, -1 if none does."""
    sequence, token = item_starts(input_ids, model.first, model.sizes).nonzero(as_tuple=True)
    items = model.items_of(model.codes_at(input_ids, sequence, token))
    return torch.full_like(input_ids, -1).index_put((sequence, token), items)


def preceding_items(items: Tensor, sequence: Tensor, last: Tensor) -> ItemLists:
    """M lists: the items of a sequence that start at or before token ``last (M,)``.

    Args:
        items: ``(B, T)`` (:func:`item_starting_at`).
        sequence: ``(M,)`` indices of sequences.
        last: ``(M,)``.
    """
    preceding = torch.arange(items.shape[1], device=items.device) <= last[:, None]
    return ItemLists.from_table(torch.where(preceding, items[sequence], -1).cpu().numpy())


def top_candidates(
    model: MultitaskModel,
    input_ids: Tensor,
    where: tuple[Tensor, Tensor],
    k: int,
    *,
    beams: int,
    ranks: Sequence[Tensor],
    excluded: ItemLists,
) -> Tensor:
    """The top items ``(M, k)`` of the model at M tokens.

    Args:
        input_ids: ``(B, T)``, padded on the right.
        where: ``(M,)`` sequences and ``(M,)`` tokens; the model sees only earlier tokens.
        beams, ranks: see :func:`p5rec.decode.beam.beam_search`.
        excluded: M lists of items that are no candidates.

    Returns:
        Items, -1 where fewer than k items remain.
    """
    with _inference(model):
        open_nodes = OpenNodes(model.trie, Allowed(deny=excluded))
        scorer, wide = _scorer(model, input_ids, *where), max(beams, k)
        return beam_search(scorer, model.trie, wide, k=k, ranks=ranks, open_nodes=open_nodes)[0]


def sampled_candidates(
    model: MultitaskModel,
    input_ids: Tensor,
    where: tuple[Tensor, Tensor],
    seeds: Tensor,
    *,
    excluded: ItemLists,
) -> Tensor:
    """Items ``(M, G)`` sampled from the model at M tokens.

    Args:
        input_ids, where, excluded: see :func:`top_candidates`.
        seeds: ``(M, G)``, one for each sample.
    """
    with _inference(model):
        open_nodes = OpenNodes(model.trie, Allowed(deny=excluded))
        return sample_independently(
            _scorer(model, input_ids, *where), model.trie, seeds, open_nodes
        )


@contextmanager
def _inference(model: MultitaskModel) -> Iterator[None]:
    was = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was)


def _scorer(
    model: MultitaskModel, input_ids: Tensor, sequence: Tensor, token: Tensor
) -> CodeScorer:
    if model.code_head is None:
        before = torch.arange(int(token.max()), device=token.device) < token[:, None]
        ids = input_ids[sequence, : before.shape[1]]
        return code_scorer(model, prompt_reader(model, ids, before))
    embedded, at = model.embed(input_ids)
    hidden = model.states(inputs_embeds=embedded)
    return StateScorer(model, hidden[sequence, at.token_positions[sequence, token] - 1])
