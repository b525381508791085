"""Prompts → ranked items: the one loop in which a model walks the item tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from tqdm import tqdm

from p5rec.core.rng import tie_order
from p5rec.decode.beam import beam_search
from p5rec.decode.trie import Trie
from p5rec.models.batches import by_length, pad
from p5rec.models.checkpoint import Bundle
from p5rec.models.scorer import CausalScorer

from .config import DecodeConfig

Allowed = Callable[[np.ndarray], np.ndarray]


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
    codes = bundle.layout.codes
    trie = Trie.build(codes.codes, codes.sizes).to(device)
    tie = torch.from_numpy(tie_order(len(codes), seed)).to(device)
    items = np.empty((len(prompts), config.k), dtype=np.int32)
    scores = np.empty((len(prompts), config.k), dtype=np.float32)
    lengths = np.array([len(prompt) for prompt in prompts])
    with torch.inference_mode(), tqdm(total=len(prompts), desc="rank", unit="user") as bar:
        for rows in by_length(lengths, config.batch_tokens):
            ids, mask = pad([prompts[r] for r in rows], bundle.tokenizer.pad_token_id, left=True)
            alive = None if allowed is None else torch.from_numpy(allowed(rows)).to(device)
            scorer = CausalScorer(bundle.model, ids.to(device), mask.to(device))
            found, gained = beam_search(
                scorer, trie, config.beams, k=config.k, alive=alive, tie=tie
            )
            items[rows] = found.cpu().numpy()
            scores[rows] = gained.cpu().numpy()
            bar.update(len(rows))
    return items, scores
