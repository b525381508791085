"""The item head's scores of the full catalogue, in one matrix product."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from p5rec.models.scorer import prompt_reader

from .batching import prompt_batches
from .tables import RankingTables


@torch.inference_mode()
def item_head_scores(
    tables: RankingTables, prompts: Sequence[np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The item head's log-probabilities of all N items after each prompt, a batch at a time.

    Yields:
        The prompts' numbers ``(b,)``, and their scores ``(b, N)`` float32.
    """
    bundle, model = tables.bundle, tables.bundle.model
    batches = prompt_batches(
        bundle, prompts, tables.config.batch_tokens, most=tables.most, desc="rank", unit="user"
    )
    for requests, ids, mask in batches:
        state = prompt_reader(model, ids, mask).read(keep=False)
        yield requests, model.item_logs(state, tables.vectors).cpu().numpy()
