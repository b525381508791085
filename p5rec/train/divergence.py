"""Stops a run whose loss has left for good."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from p5rec.core.errors import fault

LEVEL, AGO, PATIENCE = 100, 20, 10  # steps that set the level, at least so many, and that exceed it


class Divergence(TrainerCallback):
    """Raises when each of the last 10 steps lost more than ``factor`` times the most that any of
    the 100 before them did.

    A healthy run does not: its loss falls, one bad step is forgiven, and a mixture of easy and hard
    tasks has shown the hard ones among the 100.

    Args:
        factor: 0 for never.
        told: steps done → the rows of the next one, in words.
        losses: of the steps before this run was resumed.
    """

    def __init__(
        self, factor: float, told: Callable[[int], str], losses: Iterable[float] = ()
    ) -> None:
        self.factor, self.told = factor, told
        self.losses = list(losses)
        self.parts: list[torch.Tensor] = []

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
        self.losses.append(float(torch.stack(self.parts).sum()))
        self.parts = []
        self.losses = self.losses[-LEVEL - PATIENCE :]
        before, last = self.losses[:-PATIENCE], self.losses[-PATIENCE:]
        if self.factor and len(before) >= AGO and min(last) > self.factor * max(before):
            first = state.global_step - PATIENCE
            raise fault(
                f"train, step {first + 1}", f"a loss near those before (at most {max(before):.3g})",
                f"{min(last):.3g} or more for {PATIENCE} steps (it had {self.told(first)})",
                "lower learning_rate, or set train.diverged to a larger factor or to 0 (never)",
            )  # fmt: skip
