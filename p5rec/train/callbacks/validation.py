"""Validation checks, and what hangs on them: early stopping, averaged weights, the best weights."""

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

FILE = "kept.safetensors"  # of a checkpoint
JUDGED = "NDCG@10"

EvalFn = Callable[[], Mapping[str, float]]


class FinalWeights(TrainerCallback):
    """The weights that a training is to leave: averaged, and of the step that validated best.

    Args:
        model: what is trained.
        config: ``average`` and ``patience``.
        last: the checkpoint that the run goes on from.
        state: :meth:`save` of that run.

    Raises:
        UserError: processes hold the weights in pieces, and something is to be kept of them.
    """

    def __init__(
        self, model: nn.Module, config: TrainConfig, last: Path | None, state: dict[str, Any] | None
    ) -> None:
        if (config.average or config.patience) and is_sharded(model):
            raise input_error(
                "train.average and train.patience", "whole weights in each process", "pieces",
                "set both to 0, or launch with zero2 or multi_gpu",
            )  # fmt: skip
        self.weights = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self.mean: RunningMean | None = None
        self.average, self.patience = config.average, Patience(config.patience)
        self.every, self.last_step = config.evaluate_every, config.last_step
        self.saved: dict[str, Tensor] = {}
        self.taken = 0
        if last is not None and (last / FILE).is_file():
            assert state is not None
            self.saved, self.taken = read_tensors(last / FILE), state["taken"]
            self.patience = Patience(**state["patience"])
        self.best = self._part("best")

    def _part(self, kind: str) -> dict[str, Tensor]:
        found = {n: self.saved.get(f"{kind} {n}") for n in self.weights}
        return {n: tensor for n, tensor in found.items() if tensor is not None}

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        """By now the weights are where they are trained, and those of the checkpoint."""
        if self.average:
            means, here = self._part("mean"), self.weights
            self.mean = RunningMean(
                [w.detach() for w in here.values()],
                [means.get(n, w.detach()).to(w.device, copy=True) for n, w in here.items()],
                self.average,
                self.taken,
            )
        self.saved = {}

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        if self.mean is not None:
            self.mean.update()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """For a while the model has the weights that it would be left with if it ended now."""
        if self.mean is None:
            yield
            return
        self.mean.swap()
        try:
            yield
        finally:
            self.mean.swap()

    def judge(self, figures: Mapping[str, float], args: TrainingArguments) -> bool:
        """Whether to stop, with :meth:`shown` on; of several processes the first one's word holds.

        Args:
            figures: of validation; nothing is judged without ``JUDGED`` among them.
        """
        if not self.patience.checks or JUDGED not in figures:
            return False
        figure = torch.tensor(figures[JUDGED], dtype=torch.float64, device=args.device)
        if args.world_size > 1:
            figure = broadcast(figure)
        if self.patience.improves(float(figure)):
            self.best = {name: weight.detach().clone() for name, weight in self.weights.items()}
        return self.patience.exhausted

    @torch.no_grad()
    def leave(self) -> None:
        """Gives the model the weights that are kept, for good."""
        if self.best:
            for name, weight in self.weights.items():
                weight.copy_(self.best[name])
        elif self.mean is not None:
            self.mean.swap()

    @property
    def steps(self) -> int:
        """How many steps the weights that are kept have been trained for."""
        look = self.patience.best_check
        return self.last_step if look is None else look * self.every

    def save(self, folder: Path) -> dict[str, Any]:
        """Writes the weights into ``folder``, a checkpoint's; returns what to note beside them."""
        parts = {"best": self.best}
        if self.mean is not None:
            parts["mean"] = dict(zip(self.weights, self.mean.means, strict=True))
        tensors = {
            f"{kind} {name}": tensor.contiguous()
            for kind, part in parts.items()
            for name, tensor in part.items()
        }
        if tensors:
            save_file(tensors, folder / FILE)
        return {
            "patience": asdict(self.patience),
            "taken": self.mean.taken if self.mean is not None else 0,
        }


class Validation(TrainerCallback):
    """Calls the recipe's ``eval_fn`` every so many steps; what it returns joins that step's log,
    and may end the training."""

    def __init__(
        self, eval_fn: EvalFn, every: int, note: Callable[[dict[str, float]], None], kept: FinalWeights
    ) -> None:
        self.eval_fn, self.every, self.note, self.kept = eval_fn, every, note, kept

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
            with self.kept.shown():
                figures = self.eval_fn()
                control.should_training_stop |= self.kept.judge(figures, args)
            model.train()
            self.note({f"valid_{name}": value for name, value in figures.items()})
            control.should_log = True
