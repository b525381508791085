"""Prompts → ranked items: the one loop in which a model walks the item tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from p5rec.core.rng import tie_order
from p5rec.decode.beam import beam_search
from p5rec.models.checkpoint import Bundle
from p5rec.models.scorer import code_scorer

from .batching import prompt_batches
from .config import DecodeConfig

Allowed = Callable[[np.ndarray], np.ndarray]


@torch.inference_mode()
def rank_prompts(
    bundle: Bundle,
    prompts: Sequence[np.ndarray],
    config: DecodeConfig,
    seed: int,
    allowed: Allowed | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The ``config.k`` best items after each of B prompts.

    Args:
        bundle: ready to answer.
        prompts: B arrays of token ids.
        seed: of the tie order.
        allowed: request rows ``(b,)`` → ``(b, N)`` bool, the items each may be given; None: all.

    Returns:
        Items ``(B, k)`` int32, -1 where a list ended early; log-probabilities ``(B, k)`` float32.
    """
    device = bundle.model.device
    trie = bundle.model.trie
    tie = torch.from_numpy(tie_order(len(trie), seed)).to(device)
    items = np.empty((len(prompts), config.k), dtype=np.int32)
    scores = np.empty((len(prompts), config.k), dtype=np.float32)
    batches = prompt_batches(bundle, prompts, config.batch_tokens, desc="rank", unit="user")
    for rows, ids, mask in batches:
        alive = None if allowed is None else torch.from_numpy(allowed(rows)).to(device)
        found, gained = beam_search(
            code_scorer(bundle.model, ids, mask),
            trie, config.beams, k=config.k, alive=alive, tie=tie,
        )  # fmt: skip
        items[rows] = found.cpu().numpy()
        scores[rows] = gained.cpu().numpy()
    return items, scores
