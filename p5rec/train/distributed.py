"""Distributed training: checks of the launch, the share of each process, and sharded weights
(ZeRO-3, FSDP2)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from math import gcd
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from trl.models.utils import add_hooks, remove_hooks

from p5rec.core.errors import UserError, input_error
from p5rec.core.launch import processes
from p5rec.models.checkpoint import trainable_state


def check_joined(n_processes: int, kind: str) -> None:
    """Checks that the trainer uses all launched processes, in the launched mode.

    The libraries report no error otherwise: each process would train alone, or hold the full model
    instead of a shard.

    Args:
        n_processes: number of processes of the trainer.
        kind: accelerate's name of the distributed mode.

    Raises:
        UserError: the number of processes or the mode differs from the launch.
    """
    if n_processes != processes():
        raise UserError(
            f"expected {processes()} processes training together, got {n_processes} "
            "(on CPU launch with `ACCELERATE_USE_CPU=true torchrun`); fix the launch command"
        )
    for way in ("DEEPSPEED", "FSDP"):
        if os.environ.get(f"ACCELERATE_USE_{way}", "false").lower() == "true" and kind != way:
            raise UserError(
                f"expected processes training under {way}, got {kind} (on CPU, DeepSpeed needs "
                "ACCELERATE_USE_CPU unset, and FSDP does not work); fix the launch command"
            )


def per_process(batch: int, accumulate: int) -> tuple[int, int]:
    """The batch of one process, so that a step has the same slots on any number of processes.

    The accumulated batches of a step are distributed among the processes. A batch is divided only
    if there are more processes than batches.

    Args:
        batch: slots of a forward pass.
        accumulate: batches a step.

    Returns:
        Slots of a forward pass of one process, and its number of forward passes a step.

    Raises:
        UserError: the slots of a step cannot be divided evenly.
    """
    together = gcd(accumulate, processes())
    slots, left = divmod(batch * together, processes())
    if left:
        raise UserError(
            f"train: expected batch and accumulate to divide evenly, got {accumulate} x {batch} "
            f"slots for {processes()} processes; set train.batch to a multiple of "
            f"{processes() // together}"
        )
    return slots, accumulate // together


def sharding(accelerator: Accelerator) -> str:
    """How weights and optimiser states are distributed among the processes, as text."""
    if accelerator.distributed_type == DistributedType.DEEPSPEED:
        stage = accelerator.state.deepspeed_plugin.zero_stage
        return f"ZeRO-{stage} on {accelerator.num_processes} processes"
    if accelerator.distributed_type == DistributedType.FSDP:
        return f"FSDP on {accelerator.num_processes} processes"
    return "full copies on each process"


def check_quantised(quantised: bool, mode: str) -> None:
    """Refuses to shard quantised weights, which ZeRO-3 and FSDP2 cannot gather again.

    Args:
        quantised: whether the model has quantised weights.
        mode: see :func:`sharding`.

    Raises:
        UserError: quantised weights would be sharded.
    """
    if quantised and mode.startswith(("ZeRO-3", "FSDP")):
        raise input_error(
            "backbone.quantize", "unsharded weights", mode,
            "launch with zero2 or multi_gpu, or leave the backbone unquantised",
        )  # fmt: skip


def under_deepspeed() -> bool:
    """Whether the launcher requests DeepSpeed."""
    return os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true"


def autocast_inside(model: nn.Module, dtype: torch.dtype) -> None:
    """Wraps the forward pass in autocast to ``dtype``, as without DeepSpeed.

    DeepSpeed's own bfloat16 mode converts the weights themselves and disables an outer autocast.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.forward = torch.autocast(device, dtype)(model.forward)


def is_sharded(model: nn.Module) -> bool:
    """Whether the weights of ``model`` are distributed among processes."""
    return any(isinstance(p, DTensor) or hasattr(p, "ds_id") for p in model.parameters())


def full_state(model: nn.Module) -> dict[str, Tensor]:
    """:func:`trainable_state` of a model that may be sharded.

    All processes must call it together; each gets the full state.
    """
    if not is_sharded(model):
        return trainable_state(model)
    return {name: _gathered(p) for name, p in model.named_parameters() if p.requires_grad}


def _gathered(parameter: nn.Parameter) -> Tensor:
    if isinstance(parameter, DTensor):
        return parameter.full_tensor().detach()
    import deepspeed

    with deepspeed.zero.GatheredParameters([parameter]):
        return parameter.detach().clone()


def load_sharded(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Loads a full state into an FSDP2 ``model``; each process takes its shards."""
    options = StateDictOptions(full_state_dict=True, strict=False)
    set_model_state_dict(model, dict(state), options=options)


@contextmanager
def gathered(model: nn.Module, wrapped: Any) -> Iterator[None]:
    """Within this context every process holds all weights, so that submodules can be called.

    Args:
        model: the model.
        wrapped: the distributed wrapper that the trainer runs.
    """
    if isinstance(model, FSDPModule):
        model.unshard()
        yield
        model.reshard()
    elif is_sharded(model):
        import deepspeed

        with deepspeed.zero.GatheredParameters(list(model.parameters())):
            remove_hooks(wrapped)
            yield
            add_hooks(wrapped)
    else:
        yield
