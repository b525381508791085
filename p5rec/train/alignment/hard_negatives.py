"""Mines hard negatives for preference pairs: items that the model predicts instead of the target.

Only training events are used. R examples, P target items in them, J rejected items for each.

With *sampled* rejected items, softmax-DPO with beta = 1 is noise-contrastive estimation (Gutmann &
Hyvärinen 2010) with the model as noise distribution: its optimum predicts items as often as users
choose them. *Top* rejected items are always the most likely ones, so the model learns that its own
top items are wrong.
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
from p5rec.models.bundle import Bundle
from p5rec.models.candidate_sampling import (
    item_starting_at,
    preceding_items,
    sampled_candidates,
    top_candidates,
)
from p5rec.models.inputs import by_length, pad
from p5rec.models.multitask import Batch, MultitaskModel

from ..examples.example import IGNORE
from ..examples.histories import NextItemExamples
from .data import sampling_seeds, target_tokens

TOKENS = 1024  # of a batch of histories


def mine_negatives(
    bundle: Bundle,
    examples: NextItemExamples,
    folder: Path,
    *,
    negatives: int,
    rejected: Literal["sampled", "top"],
    positions: int | None,
    seed: int,
) -> None:
    """Writes rejected items for every target item to ``folder``, one batch in memory at a time.

    Items earlier in the example and the target itself are excluded; later items of the user are
    not: among the items that a user never has in training, the held-out ones are the most likely.
    Scores are computed by ``MultitaskModel.forward``, so log-ratios of the unchanged model are 0.

    Args:
        bundle: in eval mode.
        examples: the histories of one epoch.
        folder: for the files of :class:`.data.Pairs`.
        negatives: J.
        rejected: ``sampled``: independent samples from the model; ``top``: its top items.
        positions: target positions per example; None: all.
        seed: of the choice of positions, of samples and of the tie order.
    """
    model = bundle.model
    targets = [target_tokens(examples, i, positions, seed) for i in range(len(examples))]
    offsets = np.append(0, np.cumsum([len(tokens) for tokens in targets]))
    ranks = model.trie.subtree_min(torch.from_numpy(tie_order(bundle.item_keys, seed)))
    shape = (int(offsets[-1]), 1 + negatives)
    np.save(folder / "offsets.npy", offsets)
    np.save(folder / "positions.npy", np.concatenate(targets))
    items = open_memmap(folder / "items.npy", "w+", np.int32, shape)
    scores = open_memmap(folder / "scores.npy", "w+", np.float32, shape)
    with open_bar(len(examples), "pairs", "example") as bar:
        for batch in by_length(examples.lengths, TOKENS):
            ids, _ = pad([examples[i].input_ids for i in batch], bundle.tokenizer.pad_token_id)
            ids = ids.to(model.device)
            repeated = np.repeat(np.arange(len(batch)), np.diff(offsets)[batch])
            sequence = torch.from_numpy(repeated).to(ids.device)
            token = torch.from_numpy(np.concatenate([targets[i] for i in batch])).to(ids.device)
            history = item_starting_at(model, ids)
            excluded = preceding_items(history, sequence, token)
            if rejected == "sampled":
                first = np.concatenate(
                    [sampling_seeds(examples, i, targets[i], seed) for i in batch]
                )
                each = torch.from_numpy(first[:, None] + np.arange(negatives)).to(ids.device)
                rivals = sampled_candidates(model, ids, (sequence, token), each, excluded=excluded)
            else:
                rivals = top_candidates(
                    model, ids, (sequence, token), negatives,
                    beams=2 * negatives, ranks=ranks, excluded=excluded,
                )  # fmt: skip
            pairs = torch.cat([history[sequence, token, None], rivals], dim=1)
            entries = np.concatenate([np.arange(offsets[i], offsets[i + 1]) for i in batch])
            items[entries] = pairs.cpu().numpy()
            scores[entries] = _scores(model, ids, sequence, token, pairs).cpu().numpy()
            bar.update(len(batch))
    items.flush()
    scores.flush()


@torch.no_grad()
def _scores(
    model: MultitaskModel, ids: Tensor, sequence: Tensor, token: Tensor, items: Tensor
) -> Tensor:
    """``(M, K)``: log-probabilities of items at M tokens, ordered by sequence and token."""
    candidates = torch.full((*ids.shape, items.shape[1]), -1, device=ids.device)
    candidates[sequence, token] = items
    no_labels, weights = torch.full_like(ids, IGNORE), torch.ones(ids.shape, device=ids.device)
    batch = Batch(ids, no_labels, weights, candidates=candidates)
    logs: Tensor = model(batch)["candidate_logs"]
    return logs.sum(-1)
