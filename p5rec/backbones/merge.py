"""Merges adapters and new token embeddings into a plain model with the same logits."""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import nn
from torch.nn.functional import pad
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from .extend import ExtendedMatrix
from .transformer import of_transformers


def can_export(network: Any) -> bool:
    """Whether :func:`merge` supports ``network``."""
    return of_transformers(network) or hasattr(network, "to_transformers")


@torch.no_grad()
def merge(model: Any) -> PreTrainedModel:
    """A model of transformers with the adapters and new token embeddings of ``model`` merged in.

    ``model`` itself is changed.

    All weights become float32; quantised weights are dequantised.

    Args:
        model: the network without its adapter wrapper (``Backbone.causal``).
    """
    if getattr(model, "is_quantized", False):
        model.dequantize(dtype=torch.float32)
    model.to(torch.float32).eval()
    for name, layer in list(model.named_modules()):
        if isinstance(layer, LoraLayer):
            model.set_submodule(name, _merged_layer(layer))
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    merged = nn.Embedding.from_pretrained(embedding.weight, freeze=False)
    model.set_input_embeddings(merged)
    model.set_output_embeddings(_head(head, merged.weight if head.new is embedding.new else None))
    plain: PreTrainedModel = model if of_transformers(model) else model.to_transformers()
    plain.config.use_cache = True
    return plain


def _merged_layer(layer: Any) -> nn.Module:
    """The base layer of ``layer`` with its adapters merged in.

    The outputs for all unit vectors are the columns of the merged matrix, for any type and number
    of adapters.
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


def _head(head: ExtendedMatrix, tied: nn.Parameter | None) -> nn.Linear:
    """The head over all tokens; ``tied`` ``(V, D)``: the embedding matrix that it is tied to."""
    weight = nn.Parameter(head.weight) if tied is None else tied
    bias = head.old.bias
    out = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    out.weight = weight
    if bias is not None:  # new tokens have no bias
        out.bias = nn.Parameter(pad(bias, (0, len(weight) - len(bias))))
    return out
