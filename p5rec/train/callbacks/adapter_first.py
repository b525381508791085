"""The first of two stages: only the adapter of vectors is trained."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

ADAPTER = "point_adapter."  # in the names of its weights


class AdapterFirst(TrainerCallback):
    """Freezes all other weights during the first ``steps`` steps.

    Weights are frozen from the beginning of a step to its update only, so a checkpoint has all of
    them, and the optimiser skips the frozen ones, which have no gradient.

    Args:
        model: the model, all of whose trained weights require gradients.
        steps: length of the stage.
    """

    def __init__(self, model: nn.Module, steps: int) -> None:
        self.steps = steps
        self.others = [
            weight
            for name, weight in model.named_parameters()
            if weight.requires_grad and ADAPTER not in name
        ]

    def on_step_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Freezes the other weights."""
        if state.global_step < self.steps:
            self._train_others(False)

    def on_optimizer_step(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Ends the freeze, before averages and checkpoints read the weights."""
        self._train_others(True)

    def _train_others(self, trained: bool) -> None:
        for weight in self.others:
            weight.requires_grad_(trained)
