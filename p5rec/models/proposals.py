"""What a model would recommend at many places of a history, read once where the model allows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from p5rec.decode.allowed import Allowed, ItemLists, OpenNodes
from p5rec.decode.beam import beam_search
from p5rec.decode.drawing import draw

from .multitask import MultitaskModel
from .positions import whole_items
from .scorer import CodeScorer, PositionScorer, code_scorer


class StateScorer(PositionScorer):
    """For models in which an item is one position, where the states before the items are known.

    It names items by their codes alone, as what is aligned does.

    Args:
        states: ``(B, D)``.
    """

    def __init__(self, model: MultitaskModel, states: Tensor) -> None:
        self.model, self.state = model, states

    def _read(self) -> Tensor:
        self.prefix = torch.zeros_like(self.state)[:, None]
        return self.state


def items_in(model: MultitaskModel, input_ids: Tensor) -> Tensor:
    """``(B, T)``: the item that begins at a token, -1 where none does."""
    whole = whole_items(input_ids, model.first, model.sizes)
    return torch.where(whole, model.items_at(input_ids, whole), -1)


def held(items: Tensor, row: Tensor, last: Tensor) -> ItemLists:
    """M lists: the items of ``items (B, T)`` in ``row (M,)`` that begin up to token ``last``."""
    begun = torch.arange(items.shape[1], device=items.device) <= last[:, None]
    return ItemLists.from_table(torch.where(begun, items[row], -1).cpu().numpy())


def listed(
    model: MultitaskModel,
    input_ids: Tensor,
    where: tuple[Tensor, Tensor],
    k: int,
    *,
    beams: int,
    ranks: Sequence[Tensor],
    never: ItemLists,
) -> Tensor:
    """The best items ``(M, k)`` at M tokens, as the model would list them there.

    Args:
        input_ids: ``(B, T)``, padded on the right.
        where: ``(M,)`` rows and ``(M,)`` tokens: what stands at a token and after it is not read.
        beams, ranks: see :func:`p5rec.decode.beam.beam_search`.
        never: M lists of items that are not to be named.

    Returns:
        -1 where fewer than k items remain.
    """
    with _answering(model):
        opened = OpenNodes(model.trie, Allowed(never=never))
        scorer, wide = _scorer(model, input_ids, *where), max(beams, k)
        return beam_search(scorer, model.trie, wide, k=k, ranks=ranks, open_nodes=opened)[0]


def drawn(
    model: MultitaskModel,
    input_ids: Tensor,
    where: tuple[Tensor, Tensor],
    seeds: Tensor,
    *,
    never: ItemLists,
) -> Tensor:
    """Items ``(M, G)`` drawn at M tokens, each with its seed of ``seeds (M, G)``; else as above."""
    with _answering(model):
        opened = OpenNodes(model.trie, Allowed(never=never))
        return draw(_scorer(model, input_ids, *where), model.trie, seeds, opened)


@contextmanager
def _answering(model: MultitaskModel) -> Iterator[None]:
    was = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(was)


def _scorer(model: MultitaskModel, input_ids: Tensor, row: Tensor, token: Tensor) -> CodeScorer:
    if model.code_head is None:
        before = torch.arange(int(token.max()), device=token.device) < token[:, None]
        return code_scorer(model, input_ids[row, : before.shape[1]], before)
    embedded, at = model.embed(input_ids)
    hidden = model.states(inputs_embeds=embedded)
    return StateScorer(model, hidden[row, at.places[row, token] - 1])
