"""Histories with generated items between the events (RecGPT, Zhang et al. 2024, arXiv:2404.08675).

After each event come the items that the model ranks first there. A segment embedding marks them, as
one more behaviour. A generated item has the position of its event, so events keep theirs.

R histories, T events, W generated items after each event, S = T (1 + W), N items, D width.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .sasrec import Sasrec

CELLS = 2**20  # scores in memory at a time


class Events(NamedTuple):
    """Histories as the network reads them, padded on the right.

    Attributes:
        items, done, users: ``(R, T)`` int64, of each event.
    """

    items: Tensor
    done: Tensor
    users: Tensor


@torch.no_grad()
def generate(network: Sasrec, events: Events, count: int) -> Tensor:
    """``(R, T, W)`` the items that the network ranks first after each event, best first.

    They depend on the event and earlier ones, and are none of these while others are left. The
    events are read without generated items, all in one pass.

    Args:
        network: in evaluation mode.
        events: the histories.
        count: W.
    """
    states, table = network(*events), network.vectors()
    length = events.items.shape[1]
    earlier = torch.ones(length, length, dtype=torch.bool).tril()
    step = max(1, CELLS // (length * len(table)))
    blocks = []
    for own, items in zip(states.split(step), events.items.split(step), strict=True):
        seen = torch.where(earlier, items[:, None], items[:, :1, None])  # (r, T, T)
        scores = (own @ table.T).scatter_(2, seen, -torch.inf)
        blocks.append(scores.topk(count).indices)
    return torch.cat(blocks)


def weave(events: Events, generated: Tensor, segment: int) -> tuple[Events, Tensor]:
    """The histories with generated items after each event.

    Args:
        events: the histories.
        generated: ``(R, T, W)``.
        segment: the behaviour of a generated item.

    Returns:
        The events, ``(R, S)``, and their positions ``(S,)``.
    """
    length, size = generated.shape[1], 1 + generated.shape[2]
    items = torch.cat([events.items[..., None], generated], 2).flatten(1)
    marks = torch.full_like(generated, segment)
    done = torch.cat([events.done[..., None], marks], 2).flatten(1)
    users = events.users.repeat_interleave(size, 1)
    return Events(items, done, users), torch.arange(length).repeat_interleave(size)


def woven_states(network: Sasrec, events: Events, generated: Tensor, segment: int) -> Tensor:
    """``(R, T, 1 + W, D)`` unit states of the woven histories: of each event, then of its items.

    The arguments are those of :func:`weave`. The state of an event does not depend on its own
    generated items.
    """
    woven, positions = weave(events, generated, segment)
    states: Tensor = network(*woven, positions)
    return states.unflatten(1, (generated.shape[1], -1))
