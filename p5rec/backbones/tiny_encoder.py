"""A small text encoder over bytes with random weights, which needs no file."""

from __future__ import annotations

from typing import Any

import torch

from .scratch import byte_tokenizer

TINY = "tiny"  # its name
SHAPE = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 128,
}  # fmt: skip


def tiny_config() -> Any:
    """Its architecture."""
    from transformers import BertConfig

    return BertConfig(vocab_size=len(byte_tokenizer()), **SHAPE)


def tiny_encoder() -> tuple[Any, Any]:
    """Its tokenizer and its model, in eval mode; the weights are always the same."""
    from transformers import AutoModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return byte_tokenizer(), AutoModel.from_config(tiny_config()).float().eval()
