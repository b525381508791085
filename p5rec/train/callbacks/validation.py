"""Validation checks, early stopping, weight averaging and best weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from p5rec.core.errors import input_error
from p5rec.core.patience import Patience
from p5rec.models.averages import RunningMean
from p5rec.models.checkpoint import read_tensors

from ..config import TrainConfig
from ..distributed import is_sharded

FILE = "final_weights.safetensors"  # of a checkpoint
METRIC = "NDCG@10"

EvalFn = Callable[[], Mapping[str, float]]


class FinalWeights(TrainerCallback):
    """The weights that training returns: averaged, and those of the best validation check.

    Args:
        model: the trained model.
        config: ``average`` and ``patience``.
        last: the checkpoint that the run resumes from.
        state: :meth:`save` of that checkpoint.

    Raises:
        UserError: the weights are sharded, and averaging or early stopping is set.
    """

    def __init__(
        self, model: nn.Module, config: TrainConfig, last: Path | None, state: dict[str, Any] | None
    ) -> None:
        if (config.average or config.patience) and is_sharded(model):
            raise input_error(
                "train.average and train.patience", "unsharded weights", "sharded ones",
                "set both to 0, or launch with zero2 or multi_gpu",
            )  # fmt: skip
        self.weights = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.mean: RunningMean | None = None
        self.average, self.patience = config.average, Patience(config.patience)
        self.every, self.last_step = config.evaluate_every, config.last_step
        self.saved: dict[str, Tensor] = {}
        self.updates = 0
        if last is not None and (last / FILE).is_file():
            assert state is not None
            self.saved, self.updates = read_tensors(last / FILE), state["updates"]
            self.patience = Patience(**state["patience"])
        self.best = self._saved_weights("best")

    def _saved_weights(self, kind: str) -> dict[str, Tensor]:
        saved = {n: self.saved.get(f"{kind} {n}") for n in self.weights}
        return {n: tensor for n, tensor in saved.items() if tensor is not None}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """Creates the average; the weights are on their device and loaded from the checkpoint."""
        if self.average:
            means, weights = self._saved_weights("mean"), self.weights
            self.mean = RunningMean(
                [w.detach() for w in weights.values()],
                [means.get(n, w.detach()).to(w.device, copy=True) for n, w in weights.items()],
                self.average,
                self.updates,
            )
        self.saved = {}

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self.mean is not None:
            self.mean.update()

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within this context the model has the averaged weights."""
        if self.mean is None:
            yield
            return
        self.mean.swap()
        try:
            yield
        finally:
            self.mean.swap()

    def should_stop(self, metrics: Mapping[str, float], args: TrainingArguments) -> bool:
        """Whether training should stop after a validation check; copies the weights if they are
        the best so far.

        Call it within :meth:`averaged`. With several processes the first one decides.

        Args:
            metrics: of validation; without ``METRIC`` among them training does not stop.
            args: of the trainer.
        """
        if not self.patience.checks or METRIC not in metrics:
            return False
        value = torch.tensor(metrics[METRIC], dtype=torch.float64, device=args.device)
        if args.world_size > 1:
            value = broadcast(value)
        if self.patience.improves(float(value)):
            self.best = {name: weight.detach().clone() for name, weight in self.weights.items()}
        return self.patience.exhausted

    @torch.no_grad()
    def apply(self) -> None:
        """Replaces the model's weights with the best or averaged ones."""
        if self.best:
            for name, weight in self.weights.items():
                weight.copy_(self.best[name])
        elif self.mean is not None:
            self.mean.swap()

    @property
    def steps(self) -> int:
        """The step that the final weights are from."""
        check = self.patience.best_check
        return self.last_step if check is None else check * self.every

    def save(self, folder: Path) -> dict[str, Any]:
        """Writes the weights to a checkpoint's ``folder``; returns the rest of the state."""
        kinds = {"best": self.best}
        if self.mean is not None:
            kinds["mean"] = dict(zip(self.weights, self.mean.means, strict=True))
        tensors = {
            f"{kind} {name}": tensor.contiguous()
            for kind, weights in kinds.items()
            for name, tensor in weights.items()
        }
        if tensors:
            save_file(tensors, folder / FILE)
        return {
            "patience": asdict(self.patience),
            "updates": self.mean.updates if self.mean is not None else 0,
        }


class Validation(TrainerCallback):
    """Calls ``eval_fn`` every ``every`` steps, logs its metrics and stops the training early."""

    def __init__(
        self,
        eval_fn: EvalFn,
        every: int,
        note: Callable[[dict[str, float]], None],
        final_weights: FinalWeights,
    ) -> None:
        self.eval_fn, self.every, self.note, self.final_weights = (
            eval_fn,
            every,
            note,
            final_weights,
        )

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        **_: Any,
    ) -> None:
        if self.every and state.global_step % self.every == 0:
            model.eval()
            with self.final_weights.averaged():
                metrics = self.eval_fn()
                control.should_training_stop |= self.final_weights.should_stop(metrics, args)
            model.train()
            self.note({f"valid_{name}": value for name, value in metrics.items()})
            control.should_log = True
