"""Sums of the logarithmic item scores of several methods.

B requests, N items.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Weighted = Sequence[tuple[float, np.ndarray]]  # weights and logarithmic scores ``(B, N)`` float32


def fused(components: Weighted, shape: tuple[int, int]) -> np.ndarray:
    """``(B, N)`` float32: the weighted sum of the components' scores, in their order.

    Args:
        components: scores are NaN for items that a component does not know (:func:`pooled`).
        shape: B and N.
    """
    scores = torch.zeros(shape)
    for weight, logs in components:
        scores = pooled(scores, torch.from_numpy(np.float32(weight) * logs))
    return scores.numpy()


def pooled(scores: Tensor, more: Tensor) -> Tensor:
    """``(B, N)``: log-probabilities ``scores (B, N)`` plus ``more (B, N)``.

    NaN in ``more`` marks unknown items. Their total probability stays that of ``scores``: they gain
    the mean gain of the known items, so that items without training events are not penalised.
    """
    both = scores + more
    known = ~more.isnan()
    if bool(known.all()):
        return both
    mean = both.masked_fill(~known, -torch.inf).logsumexp(1, keepdim=True)
    mean = mean - scores.masked_fill(~known, -torch.inf).logsumexp(1, keepdim=True)
    return torch.where(known, both, scores + mean.nan_to_num(0))
