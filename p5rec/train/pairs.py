"""Preference pairs from a model's own lists: what it would name where the user chose another item.

Only training events are looked at. R rows, P items in them that teach, J rejected items for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor
from tqdm import tqdm

from p5rec.core.rng import derive_rng, tie_order
from p5rec.decode.allowed import ItemLists
from p5rec.models.batches import by_length, pad
from p5rec.models.checkpoint import Bundle
from p5rec.models.multitask import MultitaskModel
from p5rec.models.proposals import items_in, listed

from .dense import DenseRows
from .rows import IGNORE

NAMES = ("offsets", "places", "items", "scores")  # of the files
TOKENS = 1024  # of histories read at a time


@dataclass(frozen=True, eq=False)
class Pairs:
    """What stands against what, read from disk as it is needed.

    Attributes:
        offsets: ``(R + 1,)``: row r has the entries ``offsets[r]:offsets[r + 1]``.
        places: ``(P,)`` int64, the token at which an item begins.
        items: ``(P, 1 + J)`` int32: it, then those rejected, best first; -1 where fewer remained.
        scores: ``(P, 1 + J)`` float32, their log-probabilities under the model that listed them.
    """

    offsets: np.ndarray
    places: np.ndarray
    items: np.ndarray
    scores: np.ndarray

    def __getitem__(self, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The tokens ``(p,)`` of a row, items and scores ``(p, 1 + J)`` there."""
        own = slice(self.offsets[row], self.offsets[row + 1])
        return self.places[own], self.items[own], self.scores[own]


def choose(rows: DenseRows, i: int, positions: int | None, seed: int) -> np.ndarray:
    """``(P,)`` ascending: the tokens of row ``i`` at which the items begin that teach."""
    events = int(rows.windows.lengths[i])
    order = derive_rng(seed, "positions", i).permutation(events)
    return 1 + np.sort(order[:positions]) * rows.layout.codes.levels


def load_pairs(folder: Path) -> Pairs:
    """The pairs that :func:`mine` left in ``folder``, as views of its files."""
    return Pairs(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in NAMES))


def mine(
    bundle: Bundle,
    rows: DenseRows,
    folder: Path,
    *,
    negatives: int,
    positions: int | None,
    beams: int,
    seed: int,
) -> None:
    """Lists for every item that teaches, into ``folder``, one batch in memory at a time.

    Rejected are the best of the list that the user meets nowhere in training. Scores are those of
    ``MultitaskModel.forward``, so that a model that has not moved has log-ratios of 0.

    Args:
        bundle: ready to answer.
        rows: the histories of one epoch.
        negatives: J.
        positions: items a row that teach; None: all.
        beams: of the search.
        seed: of the choice of positions and of the tie order.
    """
    model, windows = bundle.model, rows.windows
    chosen = [choose(rows, i, positions, seed) for i in range(len(rows))]
    offsets = np.append(0, np.cumsum([len(tokens) for tokens in chosen]))
    met = ItemLists(rows.items[windows.events].astype(np.int64), windows.user_offsets)
    ranks = model.trie.smallest_below(torch.from_numpy(tie_order(len(model.trie), seed)))
    shape = (int(offsets[-1]), 1 + negatives)
    np.save(folder / "offsets.npy", offsets)
    np.save(folder / "places.npy", np.concatenate(chosen))
    items = open_memmap(folder / "items.npy", "w+", np.int32, shape)
    scores = open_memmap(folder / "scores.npy", "w+", np.float32, shape)
    with tqdm(total=len(rows), desc="pairs", unit="row") as bar:
        for batch in by_length(rows.lengths, TOKENS):
            ids, _ = pad([rows[i].input_ids for i in batch], bundle.tokenizer.pad_token_id)
            ids = ids.to(model.device)
            own = np.repeat(np.arange(len(batch)), np.diff(offsets)[batch])
            row = torch.from_numpy(own).to(ids.device)
            token = torch.from_numpy(np.concatenate([chosen[i] for i in batch])).to(ids.device)
            named = listed(
                model, ids, (row, token), negatives,
                beams=beams, ranks=ranks, never=met.take(windows.users[batch[own]]),
            )  # fmt: skip
            found = torch.cat([items_in(model, ids)[row, token, None], named], dim=1)
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
    logs: Tensor = model(ids, nothing, weights, candidates=candidates)["candidate_logs"]
    return logs.sum(-1)
