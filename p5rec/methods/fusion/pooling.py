"""Logarithms that several methods have for each item, added.

B requests, N items.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Weighted = Sequence[tuple[float, np.ndarray]]  # a weight, and logarithms ``(B, N)`` float32


def fused(components: Weighted, shape: tuple[int, int]) -> np.ndarray:
    """``(B, N)`` float32: the weighted sum of the parts' logarithms, in their order.

    Args:
        parts: NaN where a part knows nothing of an item (:func:`pooled`).
        shape: B and N.
    """
    scores = torch.zeros(shape)
    for weight, logs in components:
        scores = pooled(scores, torch.from_numpy(np.float32(weight) * logs))
    return scores.numpy()


def pooled(scores: Tensor, more: Tensor) -> Tensor:
    """``(B, N)``: log-probabilities ``scores (B, N)`` with ``more (B, N)`` added.

    Where ``more`` is NaN, nothing is known: such items keep, together, the probability that
    ``scores`` gives them. They gain what the others gain on the mean, so that an item nobody had
    does not lose to all others for it.
    """
    both = scores + more
    known = ~more.isnan()
    if bool(known.all()):
        return both
    mean = both.masked_fill(~known, -torch.inf).logsumexp(1, keepdim=True)
    mean = mean - scores.masked_fill(~known, -torch.inf).logsumexp(1, keepdim=True)
    return torch.where(known, both, scores + mean.nan_to_num(0))
