"""Tiny random models of every supported architecture, built in milliseconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PretrainedConfig,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)

from p5rec.backbones.config import BackboneConfig, LoraSettings
from p5rec.backbones.pretrained import Pretrained
from p5rec.backbones.scratch import Scratch, byte_tokenizer
from p5rec.core.item_codes import ItemCodes
from p5rec.models.bundle import Bundle, BundleSettings, build

SHAPE = {"width": 32, "layers": 2, "heads": 2, "feedforward": 64, "max_positions": 512}
VOCABULARY = 272  # of the Llama; its tokenizer has 259 tokens, so some ids are unused


def scratch(
    *, lora: bool = False, dropout: float = 0.0, shape: str = "decoder", **changes: Any
) -> Scratch:
    """A GPT-NeoX-shaped decoder, or a T5, with tied embeddings."""
    settings = LoraSettings(rank=4) if lora else None
    changes.setdefault("item_embeddings", changes.get("items") != "tokens")
    return Scratch(**{**SHAPE, "dropout": dropout, "shape": shape, "lora": settings, **changes})


def llama(folder: Path, *, lora: bool = False, **changes: Any) -> Pretrained:
    """The config of a model that :func:`save_llama`, :func:`save_gpt2` or :func:`save_t5` saved."""
    settings = LoraSettings(rank=4) if lora else None
    changes.setdefault("item_embeddings", changes.get("items") != "tokens")
    return Pretrained(name=str(folder), lora=settings, dtype="float32", **changes)


def save_llama(folder: Path, *, tied: bool = False) -> Path:
    """A Llama-shaped model with grouped-query attention: 4 query heads share 2 of keys."""
    shape = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=tied,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        initializer_range=0.1,
    )
    generation = {"do_sample": True, "top_k": 3, "temperature": 0.1, "repetition_penalty": 9.0}
    return _save(LlamaForCausalLM, shape, folder, **generation)


def save_gpt2(folder: Path) -> Path:
    """A GPT-2-shaped model: learned positions, tied embeddings, linear layers as ``Conv1D``."""
    shape = GPT2Config(
        vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=2, n_positions=512,
        bos_token_id=1, eos_token_id=2, pad_token_id=0,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    return _save(GPT2LMHeadModel, shape, folder)


def save_t5(folder: Path, *, tied: bool = False) -> Path:
    """A T5-shaped model like flan-T5: gated, with an untied head unless ``tied``."""
    shape = T5Config(
        vocab_size=VOCABULARY, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
        feed_forward_proj="gated-gelu", tie_word_embeddings=tied, dropout_rate=0.0,
        initializer_factor=0.3,
        decoder_start_token_id=0, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    return _save(T5ForConditionalGeneration, shape, folder)


def _save(
    kind: type[PreTrainedModel], shape: PretrainedConfig, folder: Path, **generation: Any
) -> Path:
    """Saves random weights and a byte tokenizer; ``generation`` is the generation config."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = kind(shape)
    model.generation_config.update(**generation)
    model.save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


@torch.no_grad()
def logits_of(bundle: Bundle, ids: torch.Tensor) -> torch.Tensor:
    """The logits ``(B, T, V)`` of a decoder at tokens ``(B, T)``."""
    causal = bundle.model.causal
    hidden = bundle.model.states(inputs_embeds=causal.get_input_embeddings()(ids))
    logits: torch.Tensor = causal.get_output_embeddings()(hidden)
    return logits


def some_codes(n: int = 24, sizes: tuple[int, ...] = (6, 5), seed: int = 0) -> ItemCodes:
    """``n`` distinct random code tuples for codebooks of ``sizes``."""
    rows = np.random.default_rng(seed).choice(int(np.prod(sizes)), n, replace=False)
    table = np.stack(np.unravel_index(rows, sizes), axis=1).astype(np.int32)
    return ItemCodes(table, sizes, "by hand")


def make_bundle(
    backbone: BackboneConfig,
    codes: ItemCodes | None = None,
    *,
    std: float = 1.0,
    **settings: Any,
) -> Bundle:
    """A bundle whose new embeddings differ as much as trained ones; initial ones hardly differ.

    Args:
        std: the standard deviation of the noise on new embeddings.
    """
    codes = codes or some_codes()
    ids = [f"i{row}" for row in range(len(codes))]
    bundle = build(BundleSettings(backbone=backbone, seed=0, **settings), codes, ids)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in bundle.model.named_parameters():
            if name.endswith((".new", "item_embeddings")):
                parameter.add_(std * torch.randn(parameter.shape, generator=generator))
            elif "lora_B" in name:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return bundle
