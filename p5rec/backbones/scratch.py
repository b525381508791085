"""Compact models with random weights and a byte tokenizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from p5rec.core.rng import derive_seed

from .config import BackboneConfig

if TYPE_CHECKING:  # a config is read without torch
    from transformers import PreTrainedTokenizerFast, T5ForConditionalGeneration

    from .base import Network
    from .decoder import Decoder
    from .vocabulary import Vocabulary

SPECIALS = ("<|pad|>", "<|bos|>", "<|end|>")
BYTE_TOKENS = len(SPECIALS) + 256
CHAT = (
    "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)


class Scratch(BackboneConfig):
    """A compact model trained from scratch: a decoder (rotary positions, pre-norm, GELU), or an
    encoder and a decoder shaped like T5."""

    kind: Literal["scratch"] = "scratch"
    shape: Literal["decoder", "t5"] = "decoder"
    """Decoder-only (rotary positions, pre-norm, GELU), or an encoder-decoder shaped like T5."""
    width: int = Field(128, ge=1)
    """Width of the hidden states."""
    layers: int = Field(4, ge=1)
    """Blocks of the decoder; also of the encoder under ``t5``."""
    heads: int = Field(4, ge=1)
    """Attention heads."""
    head_width: Annotated[int, Field(ge=1)] | None = None
    """Width of an attention head, under ``t5`` alone. null: width / heads."""
    feedforward: int = Field(512, ge=1)
    """Width of the feed-forward layers."""
    dropout: float = Field(0.1, ge=0, lt=1)
    """Dropout probability."""
    max_positions: int = Field(4096, ge=1)
    """Most positions of a sequence."""

    @model_validator(mode="after")
    def _heads_turn(self) -> Scratch:
        if self.shape == "t5":
            return self
        if self.head_width is not None:
            raise ValueError("head_width is for shape: t5; a decoder's heads share its width")
        # rotary positions rotate pairs of dimensions, so a head's width must be even
        if self.width % (2 * self.heads):
            raise ValueError(f"width ({self.width}) must be a multiple of 2 * heads ({self.heads})")
        return self

    @property
    def head_dropout(self) -> float:
        """See :class:`BackboneConfig`."""
        return self.dropout

    def open(self, seed: int, *, empty: bool, download: bool) -> tuple[Network, Vocabulary]:
        """See :class:`BackboneConfig`."""
        return build_scratch(self, derive_seed(seed, "weights")), byte_vocabulary()


def byte_vocabulary() -> Vocabulary:
    """The :func:`byte_tokenizer`, opened when it is needed."""
    from .vocabulary import Vocabulary

    return Vocabulary(byte_tokenizer, pad=0, bos=1)


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """A tokenizer of 256 bytes and three special tokens: it encodes any text and needs no file."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: i for i, token in enumerate((*SPECIALS, *alphabet))}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    pad, bos, end = SPECIALS
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=pad, bos_token=bos, eos_token=end, chat_template=CHAT
    )


def build_scratch(config: Scratch, seed: int) -> Any:
    """The model of ``config``, initialised at random with ``seed``."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return _t5(config) if config.shape == "t5" else _decoder(config)


def _decoder(config: Scratch) -> Decoder:
    """A decoder with dropout on residuals and embeddings, which small data need.

    Dropout on attention would disable fast attention.
    """
    from .decoder import Decoder, Shape

    return Decoder(
        Shape(
            vocabulary=BYTE_TOKENS,
            width=config.width,
            layers=config.layers,
            heads=config.heads,
            feedforward=config.feedforward,
            dropout=config.dropout,
            max_positions=config.max_positions,
        )
    )


def _t5(config: Scratch) -> T5ForConditionalGeneration:
    """T5 with ReLU, the architecture of TIGER (Rajput et al. 2023, arXiv 2305.05065, 4.1)."""
    from transformers import T5Config, T5ForConditionalGeneration

    from .quiet import quiet

    quiet()
    model = T5ForConditionalGeneration(
        T5Config(
            vocab_size=BYTE_TOKENS,
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
    model.config.use_cache = False
    return model
