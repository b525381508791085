"""Processes that train together: whether they found each other, what each reads, and weights that
they hold in pieces (ZeRO-3, FSDP2), made whole."""

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


def check_joined(found: int, kind: str) -> None:
    """Refuses to train when the launcher's word was not heard: each process would train alone, or
    hold a whole model where it was to hold a piece. The libraries say nothing then.

    Args:
        found: processes that the trainer knows of.
        kind: how they train together, as accelerate calls it.

    Raises:
        UserError: fewer or more than were launched, or in another way.
    """
    if found != processes():
        raise UserError(
            f"expected {processes()} processes training together, got {found} "
            "(on CPU launch with `ACCELERATE_USE_CPU=true torchrun`); mend the launch command"
        )
    for way in ("DEEPSPEED", "FSDP"):
        if os.environ.get(f"ACCELERATE_USE_{way}", "false").lower() == "true" and kind != way:
            raise UserError(
                f"expected processes training under {way}, got {kind} (on CPU, DeepSpeed needs "
                "ACCELERATE_USE_CPU unset, and FSDP does not work); mend the launch command"
            )


def share(batch: int, accumulate: int) -> tuple[int, int]:
    """One process's part of a step, so that a step reads the same rows on any number of them.

    Processes take whole batches of those that a step accumulates, and parts of a batch only where
    there are more processes than batches.

    Args:
        batch: rows of one forward pass.
        accumulate: batches a step.

    Returns:
        Rows of each of the process's forward passes, and how many of these a step has.

    Raises:
        UserError: the rows of a step cannot be shared out evenly.
    """
    together = gcd(accumulate, processes())
    rows, left = divmod(batch * together, processes())
    if left:
        raise UserError(
            f"train: expected batch and accumulate to share out evenly, got {accumulate} x {batch} "
            f"rows for {processes()} processes; set train.batch to a multiple of "
            f"{processes() // together}"
        )
    return rows, accumulate // together


def spread(accelerator: Accelerator) -> str:
    """How weights and optimiser states lie on the processes, in words."""
    if accelerator.distributed_type == DistributedType.DEEPSPEED:
        stage = accelerator.state.deepspeed_plugin.zero_stage
        return f"ZeRO-{stage} on {accelerator.num_processes} processes"
    if accelerator.distributed_type == DistributedType.FSDP:
        return f"FSDP on {accelerator.num_processes} processes"
    return "all of them on each process"


def check_quantised(quantised: bool, found: str) -> None:
    """Refuses to cut quantised weights, which neither ZeRO-3 nor FSDP2 can put together again here.

    Raises:
        UserError: ``found`` (see :func:`spread`) says that processes hold pieces of them.
    """
    if quantised and found.startswith(("ZeRO-3", "FSDP")):
        raise input_error(
            "backbone.quantize", "whole weights", found,
            "launch with zero2 or multi_gpu, or leave the backbone unquantised",
        )  # fmt: skip


def under_deepspeed() -> bool:
    """Whether the launcher asks for ZeRO."""
    return os.environ.get("ACCELERATE_USE_DEEPSPEED", "false").lower() == "true"


def autocast_inside(model: nn.Module) -> None:
    """Lets the forward pass compute in bfloat16 on weights of any type, as without DeepSpeed.

    DeepSpeed's own bfloat16 turns the weights themselves, and it switches off what surrounds it.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model.forward = torch.autocast(device, torch.bfloat16)(model.forward)


def is_sharded(model: nn.Module) -> bool:
    """Whether no process holds all of ``model``."""
    return any(isinstance(p, DTensor) or hasattr(p, "ds_id") for p in model.parameters())


def full_state(model: nn.Module) -> dict[str, Tensor]:
    """:func:`trainable_state` of a model that may be in pieces.

    All processes must call it together, and each gets all of it.
    """
    if not is_sharded(model):
        return trainable_state(model)
    return {name: _whole(p) for name, p in model.named_parameters() if p.requires_grad}


def _whole(parameter: nn.Parameter) -> Tensor:
    if isinstance(parameter, DTensor):
        return parameter.full_tensor().detach()
    import deepspeed

    with deepspeed.zero.GatheredParameters([parameter]):
        return parameter.detach().clone()


def load_sharded(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Fills weights of an FSDP2 ``model`` with whole ones, each process its pieces."""
    options = StateDictOptions(full_state_dict=True, strict=False)
    set_model_state_dict(model, dict(state), options=options)


@contextmanager
def gathered(model: nn.Module, wrapped: Any) -> Iterator[None]:
    """For a while, every process holds all of ``model``, so that parts of it can be asked alone.

    Args:
        wrapped: what the trainer runs in its place.
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
