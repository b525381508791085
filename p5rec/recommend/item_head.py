"""Prompts → items ranked by the item head: it scores the full catalogue in one matrix product."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from p5rec.decode.allowed import Allowed
from p5rec.models.scorer import prompt_reader

from .batching import prompt_batches
from .ranking import rank
from .tables import RankingTables


def rank_by_item_head(
    tables: RankingTables,
    prompts: Sequence[np.ndarray],
    k: int,
    allowed: Allowed | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Arguments and result as of :func:`p5rec.recommend.prompt_ranking.rank_for_prompts`."""
    items = np.empty((len(prompts), k), dtype=np.int32)
    scores = np.empty((len(prompts), k), dtype=np.float32)
    for requests, catalogue_scores in item_head_scores(tables, prompts):
        if allowed is not None:
            mask = allowed.take(requests).mask(*catalogue_scores.shape)
            catalogue_scores[~mask] = -np.inf
        items[requests], scores[requests] = rank(catalogue_scores, k, tables.tie)
    return items, scores


@torch.inference_mode()
def item_head_scores(
    tables: RankingTables, prompts: Sequence[np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The item head's log-probabilities of all N items after each prompt, a batch at a time.

    Yields:
        The prompts' numbers ``(b,)``, and their scores ``(b, N)`` float32.
    """
    bundle, model = tables.bundle, tables.bundle.model
    batches = prompt_batches(bundle, prompts, tables.config.batch_tokens, desc="rank", unit="user")
    for requests, ids, mask in batches:
        state = prompt_reader(model, ids, mask).read(keep=False)
        yield requests, model.item_logs(state, tables.vectors).cpu().numpy()
