"""An exponential moving average (EMA) of weights during training."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class RunningMean:
    """Maintains the exponential moving average of weights.

    On sparse data the weights of a small network keep fluctuating after convergence. Averaged
    weights rank better than those of any single step (Polyak & Juditsky 1992, *Acceleration of
    stochastic approximation by averaging*; here an EMA, which forgets early steps).

    Args:
        weights: the trained tensors, which change in place.
        means: tensors of the same shapes; they hold the averages.
        steps: approximate number of updates in the average; fewer early in training, so that the
            average does not lag.
        updates: number of updates that ``means`` already contain.
    """

    def __init__(
        self, weights: Sequence[Tensor], means: Sequence[Tensor], steps: float, updates: int = 0
    ) -> None:
        self.weights, self.means = list(weights), list(means)
        self.steps, self.updates = steps, updates

    @torch.no_grad()
    def update(self) -> None:
        """Adds the current weights to the average; call after each optimiser step."""
        self.updates += 1
        rate = max(1 / max(1, self.steps), 9 / (10 + self.updates))
        torch._foreach_lerp_(self.means, self.weights, rate)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchanges the weights and their averages; a second call undoes the first."""
        for mean, weight in zip(self.means, self.weights, strict=True):
            average = mean.clone()
            mean.copy_(weight)
            weight.copy_(average)
