"""The running mean of weights while they are trained."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class RunningMean:
    """Follows the mean of the values that weights had lately.

    Sparse data pull a small network to and fro long after it has learned; what it is on the whole
    ranks better than what it is at any step (Polyak & Juditsky 1992, *Acceleration of stochastic
    approximation by averaging*; here an exponential mean, so that the beginning is forgotten).

    Args:
        weights: what is trained, in place.
        means: tensors like them, which become the means.
        steps: over how many updates, about; fewer in the beginning, so that the mean does not lag.
        taken: updates that ``means`` follow already.
    """

    def __init__(
        self, weights: Sequence[Tensor], means: Sequence[Tensor], steps: float, taken: int = 0
    ) -> None:
        self.weights, self.means = list(weights), list(means)
        self.steps, self.taken = steps, taken

    @torch.no_grad()
    def follow(self) -> None:
        """After each update."""
        self.taken += 1
        share = max(1 / max(1, self.steps), 9 / (10 + self.taken))
        torch._foreach_lerp_(self.means, self.weights, share)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchanges the weights and their means; a second time, it undoes the first."""
        for mean, weight in zip(self.means, self.weights, strict=True):
            kept = mean.clone()
            mean.copy_(weight)
            weight.copy_(kept)
