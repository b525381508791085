"""Stacked low-rank adapters on a network's linear layers (peft).

peft takes seconds to import, so it is imported only for networks with adapters.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from p5rec.core.errors import UserError, did_you_mean

from .config import LoraSettings
from .quiet import quiet
from .transformer import of_transformers

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel

LAST = "default"  # peft's name of a single adapter; here that of the trainable one


def adapt(model: Any, stack: Sequence[LoraSettings], seed: int) -> PeftModel:
    """Adds a stack of low-rank adapters to ``model``; their outputs are summed.

    Only the last adapter and the new token embeddings are trainable.

    Raises:
        UserError: the blocks have no linear layers, or lack those in ``lora.targets``.
    """
    quiet()
    from peft import get_peft_model

    configs = [_lora_config(model, lora) for lora in stack]
    names = stack_names(len(stack))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        adapted = get_peft_model(model, configs[0], names[0])
        for name, config in zip(names[1:], configs[1:], strict=True):
            adapted.add_adapter(name, config)
    adapted.base_model.set_adapter(names, inference_mode=True)
    for name, parameter in adapted.named_parameters():
        parameter.requires_grad_(name.endswith(".new") or f".{LAST}." in name)
    return adapted


def is_adapted(model: Any) -> bool:
    """Whether ``model`` has adapters around it (a ``PeftModel``)."""
    return type(model).__module__.partition(".")[0] == "peft"


def stack_names(n: int) -> list[str]:
    """peft's names of ``n`` stacked adapters, oldest first."""
    return [*(f"stage-{k}" for k in range(1, n)), LAST]


def _lora_config(model: nn.Module, lora: LoraSettings) -> LoraConfig:
    available = block_linears(model)
    if not available:
        raise UserError(
            f"backbone.lora: expected a network with linear layers, got {type(model).__name__}; "
            "set it to null"
        )
    chosen = {target: fnmatch.filter(available, target) for target in lora.targets}
    if unknown := sorted(target for target, names in chosen.items() if not names):
        raise UserError(
            *(f"lora.targets: expected a linear layer, got {n!r}; {did_you_mean(n, available)}"
              for n in unknown)
        )  # fmt: skip
    from peft import LoraConfig
    from transformers.pytorch_utils import Conv1D

    return LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=sorted({name for names in chosen.values() for name in names}) or available,
        use_rslora=lora.rslora,
        use_dora=lora.dora,
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in model.modules()),
        task_type=_peft_task_type(model),
    )


def _peft_task_type(model: Any) -> str | None:
    """peft's name of the model's type; None: a type that peft does not know."""
    if not of_transformers(model):
        return None
    return "SEQ_2_SEQ_LM" if model.config.is_encoder_decoder else "CAUSAL_LM"


def block_linears(model: Any) -> list[str]:
    """Names of the linear layers in the decoder blocks, without the output head.

    GPT-2 implements its linear layers as a transposed ``Conv1D``.
    """
    from transformers.pytorch_utils import Conv1D

    head, kinds = set(model.get_output_embeddings().modules()), (nn.Linear, Conv1D)
    linears = [n for n, m in model.named_modules() if isinstance(m, kinds) and m not in head]
    return sorted({name.rsplit(".", 1)[-1] for name in linears})
