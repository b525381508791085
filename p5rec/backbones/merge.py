"""An adapted, grown model as a plain one: the same logits out of ordinary layers."""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import nn
from torch.nn.functional import pad
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from .grow import Grown


@torch.no_grad()
def merge(model: PreTrainedModel) -> PreTrainedModel:
    """``model``, changed in place: adapters inside the weights, new token rows below the old ones.

    All weights become float32; a quantised base is dequantised.

    Args:
        model: the causal model under its adapters (``Backbone.causal``).
    """
    if getattr(model, "is_quantized", False):
        model.dequantize(dtype=torch.float32)
    model.to(torch.float32).eval()
    for name, layer in list(model.named_modules()):
        if isinstance(layer, LoraLayer):
            model.set_submodule(name, _read_off(layer))
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    rows = nn.Embedding.from_pretrained(embedding.weight, freeze=False)
    model.set_input_embeddings(rows)
    model.set_output_embeddings(_head(head, rows.weight if head.new is embedding.new else None))
    model.config.use_cache = True
    return model


def _read_off(layer: Any) -> nn.Module:
    """The plain layer under ``layer``'s adapters, with what they add.

    A linear layer is what it does to unit vectors; so it is read, whatever the adapters' kind
    and number.
    """
    base: nn.Linear | Conv1D = layer.base_layer
    transposed = isinstance(base, Conv1D)
    inputs = base.weight.shape[0 if transposed else 1]
    bias = None if base.bias is None else base.bias.clone()
    if base.bias is not None:
        base.bias.zero_()
    columns = layer(torch.eye(inputs, device=base.weight.device))
    base.weight.copy_(columns if transposed else columns.T)
    if bias is not None:
        base.bias.copy_(bias)
    return base


def _head(head: Grown, tied: nn.Parameter | None) -> nn.Linear:
    """The head over old and new tokens; ``tied`` ``(V, D)``: the embedding whose rows it shares."""
    weight = nn.Parameter(head.weight) if tied is None else tied
    bias = head.old.bias
    out = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    out.weight = weight
    if bias is not None:  # new rows have none
        out.bias = nn.Parameter(pad(bias, (0, len(weight) - len(bias))))
    return out
