"""Prompts → ranked items by what is said of whole items: one product in place of a search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from p5rec.decode.allowed import Allowed
from p5rec.models.scorer import prompt_reader

from .batching import prompt_batches
from .ranking import rank
from .tables import RankingTables


def rank_whole(
    tables: RankingTables,
    prompts: Sequence[np.ndarray],
    k: int,
    allowed: Allowed | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Arguments and answer as those of :func:`p5rec.recommend.listing.rank_prompts`."""
    items = np.empty((len(prompts), k), dtype=np.int32)
    scores = np.empty((len(prompts), k), dtype=np.float32)
    for rows, found in whole_scores(tables, prompts):
        if allowed is not None:
            found[~allowed.take(rows).mask(*found.shape)] = -np.inf
        items[rows], scores[rows] = rank(found, k, tables.tie)
    return items, scores


@torch.inference_mode()
def whole_scores(
    tables: RankingTables, prompts: Sequence[np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What is said of all N items after each prompt, a batch at a time.

    Yields:
        The prompts' numbers ``(b,)``, and ``(b, N)`` float32.
    """
    bundle, model = tables.bundle, tables.bundle.model
    batches = prompt_batches(bundle, prompts, tables.config.batch_tokens, desc="rank", unit="user")
    for rows, ids, mask in batches:
        state = prompt_reader(model, ids, mask).read(keep=False)
        yield rows, model.item_logs(state, tables.vectors).cpu().numpy()
