"""Decoders with random weights and a byte tokenizer: the compact model, and tiny ones for tests."""

from __future__ import annotations

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

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


def build_scratch(config: ScratchConfig, seed: int) -> GPTNeoXForCausalLM:
    """A GPT-NeoX-shaped decoder, its weights drawn under ``seed``.

    GPT-NeoX is chosen among the shapes that transformers offers because it has rotary positions
    and dropout on residuals and embeddings, which small data need. (Dropout on attention would
    cost the fast attention path.)
    """
    shape = GPTNeoXConfig(
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
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return GPTNeoXForCausalLM(shape)
