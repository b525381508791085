"""Stops a run whose loss has left for good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from p5rec.core.errors import input_error

OPENING, WINDOW, PATIENCE = 10, 50, 20  # steps


class Divergence(TrainerCallback):
    """Raises when each of the last 20 steps lost more than ``factor`` times the run's level.

    The level is what four steps in five have lost less than: in the first 10 steps, or in those 50
    in a row where that is least. A healthy run does not leave it so: its loss falls, a stretch of
    bad steps is forgiven, and hard tasks among easy ones come neither so seldom nor so often.

    Args:
        factor: 0 for never.
        told: steps done → the rows of the next one, in words.
        state: :meth:`state` of the run that this one goes on from.
    """

    def __init__(
        self, factor: float, told: Callable[[int], str], state: dict[str, Any] | None = None
    ) -> None:
        self.factor, self.told = factor, told
        self.losses: list[float] = list(state["losses"]) if state else []
        self.level: float | None = state["level"] if state else None
        self.parts: list[torch.Tensor] = []

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {"losses": self.losses, "level": self.level}

    def add(self, loss: torch.Tensor) -> None:
        """Counts ``loss`` to the step in hand."""
        self.parts.append(loss.detach())

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """
        Raises:
            UserError: the run has diverged; it names the step that was the first, and its rows.
        """
        self.losses = [*self.losses, float(torch.stack(self.parts).sum())][-WINDOW:]
        self.parts = []
        if len(self.losses) == WINDOW or (len(self.losses) == OPENING and self.level is None):
            high = float(torch.tensor(self.losses).quantile(0.8))
            self.level = high if self.level is None else min(self.level, high)
        if not self.factor or len(self.losses) < OPENING + PATIENCE:
            return
        least, first = min(self.losses[-PATIENCE:]), state.global_step - PATIENCE
        if self.level is not None and least > self.factor * self.level:
            raise input_error(
                f"train, step {first + 1}", f"a loss near those before ({self.level:.3g})",
                f"{least:.3g} or more for {PATIENCE} steps (it had {self.told(first)})",
                "lower learning_rate, or set train.diverged to a larger factor or to 0 (never)",
            )  # fmt: skip
