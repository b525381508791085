"""Preference pairs from a model itself: what it would name where the user chose another item.

Only training events are looked at. R rows, P items in them that teach, J rejected items for each.

Rejected items that are *drawn* make softmax-DPO with beta = 1 a noise-contrastive estimate
(Gutmann & Hyvärinen 2010) whose noise is the model: it rests where the model names items as often
as users choose them. Those that are *listed* are always the likeliest, so the model learns that
what it would list is wrong.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor

from p5rec.core.progress import open_bar
from p5rec.core.rng import tie_order
from p5rec.models.checkpoint import Bundle
from p5rec.models.inputs import by_length, pad
from p5rec.models.multitask import Batch, MultitaskModel
from p5rec.models.proposals import drawn, held, items_in, listed

from ..examples.histories import DenseRows
from ..examples.row import IGNORE
from .data import choose, seeds

TOKENS = 1024  # of histories read at a time


def mine(
    bundle: Bundle,
    rows: DenseRows,
    folder: Path,
    *,
    negatives: int,
    rejected: Literal["drawn", "listed"],
    positions: int | None,
    seed: int,
) -> None:
    """Rivals of every item that teaches, into ``folder``, one batch in memory at a time.

    They are items that the row does not hold so far, what comes later among them: of those that the
    user never meets in training, the likeliest are those held out. Scores are those of
    ``MultitaskModel.forward``: a model that has not moved has log-ratios of 0.

    Args:
        bundle: ready to answer.
        rows: the histories of one epoch.
        negatives: J.
        rejected: drawn independently of each other, or the first of the list.
        positions: items a row that teach; None: all.
        seed: of the choice of positions, of draws and of the tie order.
    """
    model = bundle.model
    chosen = [choose(rows, i, positions, seed) for i in range(len(rows))]
    offsets = np.append(0, np.cumsum([len(tokens) for tokens in chosen]))
    ranks = model.trie.smallest_below(torch.from_numpy(tie_order(bundle.item_keys, seed)))
    shape = (int(offsets[-1]), 1 + negatives)
    np.save(folder / "offsets.npy", offsets)
    np.save(folder / "places.npy", np.concatenate(chosen))
    items = open_memmap(folder / "items.npy", "w+", np.int32, shape)
    scores = open_memmap(folder / "scores.npy", "w+", np.float32, shape)
    with open_bar(len(rows), "pairs", "row") as bar:
        for batch in by_length(rows.lengths, TOKENS):
            ids, _ = pad([rows[i].input_ids for i in batch], bundle.tokenizer.pad_token_id)
            ids = ids.to(model.device)
            own = np.repeat(np.arange(len(batch)), np.diff(offsets)[batch])
            row = torch.from_numpy(own).to(ids.device)
            token = torch.from_numpy(np.concatenate([chosen[i] for i in batch])).to(ids.device)
            begun = items_in(model, ids)
            never = held(begun, row, token)
            if rejected == "drawn":
                first = np.concatenate([seeds(rows, i, chosen[i], seed) for i in batch])
                each = torch.from_numpy(first[:, None] + np.arange(negatives)).to(ids.device)
                named = drawn(model, ids, (row, token), each, never=never)
            else:
                named = listed(
                    model, ids, (row, token), negatives,
                    beams=2 * negatives, ranks=ranks, never=never,
                )  # fmt: skip
            found = torch.cat([begun[row, token, None], named], dim=1)
            at = np.concatenate([np.arange(offsets[i], offsets[i + 1]) for i in batch])
            items[at] = found.cpu().numpy()
            scores[at] = _scores(model, ids, row, token, found).cpu().numpy()
            bar.update(len(batch))
    items.flush()
    scores.flush()


@torch.no_grad()
def _scores(
    model: MultitaskModel, ids: Tensor, row: Tensor, token: Tensor, items: Tensor
) -> Tensor:
    """``(M, K)``: log-probabilities of items at M tokens, in the order of rows and tokens."""
    candidates = torch.full((*ids.shape, items.shape[1]), -1, device=ids.device)
    candidates[row, token] = items
    nothing, weights = torch.full_like(ids, IGNORE), torch.ones(ids.shape, device=ids.device)
    batch = Batch(ids, nothing, weights, candidates=candidates)
    logs: Tensor = model(batch)["candidate_logs"]
    return logs.sum(-1)
