"""Weights that several processes hold in pieces (ZeRO-3, FSDP2), made whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from trl.models.utils import add_hooks, remove_hooks

from p5rec.core.errors import fault
from p5rec.models.checkpoint import trainable_state


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
        raise fault(
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


def in_pieces(model: nn.Module) -> bool:
    """Whether no process holds all of ``model``."""
    return any(isinstance(p, DTensor) or hasattr(p, "ds_id") for p in model.parameters())


def whole_state(model: nn.Module) -> dict[str, Tensor]:
    """:func:`trainable_state` of a model that may be in pieces.

    All processes must call it together, and each gets all of it.
    """
    if not in_pieces(model):
        return trainable_state(model)
    return {name: _whole(p) for name, p in model.named_parameters() if p.requires_grad}


def _whole(parameter: nn.Parameter) -> Tensor:
    if isinstance(parameter, DTensor):
        return parameter.full_tensor().detach()
    import deepspeed

    with deepspeed.zero.GatheredParameters([parameter]):
        return parameter.detach().clone()


def load_pieces(model: nn.Module, state: dict[str, Tensor]) -> None:
    """Fills weights of an FSDP2 ``model`` with whole ones, each process its pieces."""
    options = StateDictOptions(full_state_dict=True, strict=False)
    set_model_state_dict(model, dict(state), options=options)


@contextmanager
def made_whole(model: nn.Module, wrapped: Any) -> Iterator[None]:
    """For a while, every process holds all of ``model``, so that parts of it can be asked alone.

    Args:
        wrapped: what the trainer runs in its place.
    """
    if isinstance(model, FSDPModule):
        model.unshard()
        yield
        model.reshard()
    elif in_pieces(model):
        import deepspeed

        with deepspeed.zero.GatheredParameters(list(model.parameters())):
            remove_hooks(wrapped)
            yield
            add_hooks(wrapped)
    else:
        yield
