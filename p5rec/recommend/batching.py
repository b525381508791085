"""Prompts in padded batches of like length: the loop that every answer goes through."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch import Tensor
from tqdm import tqdm

from p5rec.models.checkpoint import Bundle
from p5rec.models.inputs import by_length, pad


def prompt_batches(
    bundle: Bundle,
    prompts: Sequence[np.ndarray],
    tokens: int,
    *,
    extra: int = 0,
    desc: str,
    unit: str,
) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]:
    """B prompts, at most ``tokens`` padded tokens at a time.

    Args:
        prompts: B arrays of token ids.
        extra: tokens that each prompt will need besides its own.
        desc, unit: of the progress bar.

    Yields:
        The prompts' numbers ``(b,)``, their ids and their mask ``(b, T)`` on the model's device.
    """
    lengths = np.array([len(prompt) for prompt in prompts])
    device = bundle.model.device
    # leave=None: a bar inside another one goes when it is full
    with tqdm(total=len(prompts), desc=desc, unit=unit, leave=None) as bar:
        for rows in by_length(lengths + extra, tokens):
            ids, mask = pad([prompts[r] for r in rows], bundle.tokenizer.pad_token_id)
            yield rows, ids.to(device), mask.to(device)
            bar.update(len(rows))
