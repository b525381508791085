"""Stops a run whose loss has diverged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from p5rec.core.errors import input_error

OPENING, WINDOW, PATIENCE = 10, 50, 20  # steps


class Divergence(TrainerCallback):
    """Raises if each of the last 20 losses exceeds ``factor`` times the usual level.

    The level is the 0.8 quantile of the losses: of the first 10 steps, or the lowest one of any 50
    consecutive steps. A healthy run does not trigger it: its loss falls, a short stretch of bad
    steps is tolerated, and the quantile covers tasks with a higher loss.

    Args:
        factor: 0: never raise.
        describe_step: number of finished steps → examples of the next step, as text.
        state: :meth:`state` of the run that is resumed.
    """

    def __init__(
        self,
        factor: float,
        describe_step: Callable[[int], str],
        state: dict[str, Any] | None = None,
    ) -> None:
        self.factor, self.describe_step = factor, describe_step
        self.losses: list[float] = list(state["losses"]) if state else []
        self.level: float | None = state["level"] if state else None
        self.step_losses: list[torch.Tensor] = []

    def state(self) -> dict[str, Any]:
        """The state to save in a checkpoint."""
        return {"losses": self.losses, "level": self.level}

    def add(self, loss: torch.Tensor) -> None:
        """Adds the loss of a forward pass to the current step."""
        self.step_losses.append(loss.detach())

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """
        Raises:
            UserError: the run has diverged; the message names the first such step and its
                examples.
        """
        self.losses = [*self.losses, float(torch.stack(self.step_losses).sum())][-WINDOW:]
        self.step_losses = []
        if len(self.losses) == WINDOW or (len(self.losses) == OPENING and self.level is None):
            high = float(torch.tensor(self.losses).quantile(0.8))
            self.level = high if self.level is None else min(self.level, high)
        if not self.factor or len(self.losses) < OPENING + PATIENCE:
            return
        least, first = min(self.losses[-PATIENCE:]), state.global_step - PATIENCE
        if self.level is not None and least > self.factor * self.level:
            raise input_error(
                f"train, step {first + 1}", f"a loss near those before ({self.level:.3g})",
                f"{least:.3g} or more for {PATIENCE} steps ({self.describe_step(first)})",
                "lower learning_rate, or set train.diverged to a larger factor or to 0 (never)",
            )  # fmt: skip
