"""How a batch becomes a loss: by the model's own, or with alignment beside it."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor


class Objective(Protocol):
    """The loss of a batch and its parts, through ``model(...)``: data-parallel wrappers look."""

    def __call__(
        self, model: torch.nn.Module, inputs: dict[str, Any], count: Tensor | float | None
    ) -> dict[str, Tensor]:
        """See :meth:`p5rec.models.multitask.MultitaskModel.forward`.

        Args:
            inputs: a batch of :class:`p5rec.train.collate.Collator`.
            count: what sums are divided by.
        """
        ...


def supervised(
    model: torch.nn.Module, inputs: dict[str, Any], count: Tensor | float | None
) -> dict[str, Tensor]:
    """The model's own loss."""
    outputs: dict[str, Tensor] = model(**inputs, num_items_in_batch=count)
    return outputs


def with_nll(inputs: dict[str, Any], aligned: Tensor, nll: float) -> dict[str, Any]:
    """The same batch, in which supervised loss has the weight ``nll`` in ``aligned`` rows.

    Args:
        aligned: ``(B,)`` bool.
    """
    weights = inputs["weights"]
    return {**inputs, "weights": torch.where(aligned[:, None], nll * weights, weights)}


def with_losses(
    outputs: dict[str, Tensor], losses: Tensor, count: Tensor | float | None
) -> dict[str, Tensor]:
    """``outputs`` whose loss has ``losses (M,)`` in it besides."""
    return {**outputs, "loss": outputs["loss"] + losses.sum() / torch.as_tensor(count).clamp(min=1)}
