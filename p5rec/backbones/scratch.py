"""Models with random weights and a byte tokenizer: the compact ones, and tiny ones for tests."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from .config import ScratchConfig

SPECIALS = ("<|pad|>", "<|bos|>", "<|end|>")
CHAT = (
    "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer of 256 bytes and three specials: it reads any text and needs no file."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: i for i, token in enumerate((*SPECIALS, *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    pad, bos, end = SPECIALS
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=pad, bos_token=bos, eos_token=end, chat_template=CHAT
    )


def build_scratch(config: ScratchConfig, seed: int) -> PreTrainedModel:
    """The model that ``config`` describes, its weights drawn under ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _t5(config) if config.shape == "t5" else _decoder(config)


def _decoder(config: ScratchConfig) -> GPTNeoXForCausalLM:
    """GPT-NeoX is chosen among the shapes that transformers offers because it has rotary positions
    and dropout on residuals and embeddings, which small data need. (Dropout on attention would
    cost the fast attention path.)
    """
    return GPTNeoXForCausalLM(
        GPTNeoXConfig(
            vocab_size=len(SPECIALS) + 256,
            hidden_size=config.width,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            intermediate_size=config.feedforward,
            hidden_dropout=config.dropout,
            max_position_embeddings=config.max_positions,
            rotary_pct=1.0,
            use_parallel_residual=False,
            tie_word_embeddings=True,
            bos_token_id=1,
            eos_token_id=2,
            pad_token_id=0,
        )
    )


def _t5(config: ScratchConfig) -> T5ForConditionalGeneration:
    """The shape of TIGER (Rajput et al. 2023, arXiv 2305.05065, section 4.1): T5 with ReLU."""
    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(SPECIALS) + 256,
            d_model=config.width,
            d_kv=config.head_width or config.width // config.heads,
            d_ff=config.feedforward,
            num_layers=config.layers,
            num_heads=config.heads,
            dropout_rate=config.dropout,
            decoder_start_token_id=0,
            eos_token_id=2,
            pad_token_id=0,
        )
    )
