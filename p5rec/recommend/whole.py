"""Prompts → ranked items by what is said of whole items: one product in place of a search."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from p5rec.core.rng import tie_order
from p5rec.decode.allowed import Allowed
from p5rec.models.checkpoint import Bundle
from p5rec.models.scorer import item_scores, prompt_reader

from .batching import prompt_batches
from .capabilities import check_head
from .config import DecodeConfig
from .ranking import rank


def rank_whole(
    bundle: Bundle,
    prompts: Sequence[np.ndarray],
    config: DecodeConfig,
    seed: int,
    allowed: Allowed | None = None,
    more: Callable[[np.ndarray], np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Arguments and answer as those of :func:`p5rec.recommend.listing.rank_prompts`.

    Raises:
        UserError: the model has no item head.
    """
    check_head(bundle)
    model = bundle.model
    tie = tie_order(bundle.item_keys, seed)
    items = np.empty((len(prompts), config.k), dtype=np.int32)
    scores = np.empty((len(prompts), config.k), dtype=np.float32)
    table = model.item_table()
    batches = prompt_batches(bundle, prompts, config.batch_tokens, desc="rank", unit="user")
    for rows, ids, mask in batches:
        state = prompt_reader(model, ids, mask).read(keep=False)
        given = None if more is None else torch.from_numpy(more(rows)).to(model.device)
        found = item_scores(model, state, given, table).cpu().numpy()
        if allowed is not None:
            found[~allowed.take(rows).mask(*found.shape)] = -np.inf
        items[rows], scores[rows] = rank(found, config.k, tie)
    return items, scores
