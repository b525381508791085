"""The first of two stages: only the adapter of vectors is trained."""

from __future__ import annotations

from torch import nn

ADAPTER = "point_adapter."  # in the names of its weights


def drop_other_gradients(model: nn.Module) -> None:
    """Drops the gradients of all weights but the adapter's, so that an update leaves them as they
    are: the optimiser skips weights without a gradient, and a checkpoint still has all of them."""
    for name, weight in model.named_parameters():
        if ADAPTER not in name:
            weight.grad = None
