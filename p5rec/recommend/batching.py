"""Prompts in padded batches of similar length: the loop behind every prediction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from torch import Tensor

from p5rec.core.progress import progress_bar
from p5rec.models.inputs import by_length, pad
from p5rec.models.language import WithLanguageModel


def prompt_batches(
    opened: WithLanguageModel,
    prompts: Sequence[np.ndarray],
    tokens: int,
    *,
    extra: int = 0,
    most: int | None = None,
    desc: str,
    unit: str,
) -> Iterator[tuple[np.ndarray, Tensor, Tensor]]:
    """B prompts, at most ``tokens`` padded positions at a time.

    Args:
        opened: the model that reads them.
        prompts: B arrays of token ids.
        extra: positions that decoding adds to each prompt.
        most: prompts at a time, at most; None: any number.
        desc, unit: of the progress bar, where there is one (:mod:`p5rec.core.progress`).

    Yields:
        The prompts' numbers ``(b,)``, their ids and their mask ``(b, T)`` on the model's device.
    """
    lengths = opened.model.lengths(prompts)
    device = opened.model.device
    with progress_bar(len(prompts), desc, unit) as advance:
        for numbers in by_length(lengths + extra, tokens, most):
            ids, mask = pad([prompts[n] for n in numbers], opened.vocabulary.pad)
            yield numbers, ids.to(device), mask.to(device)
            advance(len(numbers))


def equal_blocks(
    lengths: np.ndarray, size: int = 16, step: int = 16
) -> Iterator[tuple[np.ndarray, int, int]]:
    """Prompts in blocks whose shape depends on a prompt's own length alone.

    Products of one shape round a row in one way, so what is computed for a prompt does not depend
    on the other prompts, if a block is filled up to ``size``.

    Args:
        lengths: ``(B,)`` tokens of each prompt.
        size: prompts of a block.
        step: the width of a block is a multiple of it.

    Yields:
        The prompts ``(b,)`` of a block, at most ``size``; ``size``; and the width, longest first.
    """
    widths = -(-lengths // step) * step
    for width in np.unique(widths)[::-1].tolist():
        same = np.flatnonzero(widths == width)
        for start in range(0, len(same), size):
            yield same[start : start + size], size, width
