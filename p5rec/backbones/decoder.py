"""A compact decoder: rotary positions, pre-norm, GELU, tied embeddings.

It computes what GPT-NeoX computes in transformers, and its weights have the same names, so they can
be exported to it (:meth:`Decoder.to_transformers`). It does not import transformers, which takes
over a second: a trained model starts quickly.

B sequences, T positions, S positions with those in the key-value cache, D hidden width, H attention
heads, F width of the feed-forward layers, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from .attention import Attend, additive
from .base import Traits
from .tree_attention import Blocks as TreeBlocks
from .tree_attention import tree_attention

if TYPE_CHECKING:
    from transformers import GPTNeoXForCausalLM

INIT_STD = 0.02
ROTARY_BASE = 10000.0


class States(NamedTuple):
    """The decoder's output: hidden states ``(B, T, D)``."""

    last_hidden_state: Tensor


@dataclass(frozen=True)
class Shape:
    """Sizes of a :class:`Decoder`.

    Attributes:
        vocabulary: V.
        width: D, a multiple of ``2 * heads``.
        layers: number of blocks.
        heads: H.
        feedforward: F.
        dropout: probability, on embeddings and on the outputs of attention and feed-forward layers.
        max_positions: of an exported model; rotary positions have no limit.
    """

    vocabulary: int
    width: int
    layers: int
    heads: int
    feedforward: int
    dropout: float
    max_positions: int


class Decoder(nn.Module):
    """A :class:`.base.Network` with initial weights from the current seed of torch."""

    takes_blocks = True  # see Blocks.forward

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.traits = Traits(
            shape.width, shape.layers, attention=shape.width, kv_cache=True, packing=True
        )
        self.gpt_neox = Blocks(shape)
        # created without values, as it shares those of the embedding
        self.lm_head = nn.Linear(shape.width, shape.vocabulary, bias=False, device="meta")
        self.lm_head.weight = self.gpt_neox.embed_in.weight

    def get_input_embeddings(self) -> Any:
        """See :class:`.base.Network`."""
        return self.gpt_neox.embed_in

    def set_input_embeddings(self, embedding: nn.Module) -> None:
        """See :class:`.base.Network`."""
        self.gpt_neox.embed_in = embedding  # type: ignore[assignment]

    def get_output_embeddings(self) -> Any:
        """See :class:`.base.Network`."""
        return self.lm_head

    def set_output_embeddings(self, head: nn.Module) -> None:
        """See :class:`.base.Network`."""
        self.lm_head = head  # type: ignore[assignment]

    def get_decoder(self) -> Blocks:
        """See :class:`.base.Network`."""
        return self.gpt_neox

    def gradient_checkpointing_enable(self, settings: Mapping[str, Any]) -> None:
        """See :class:`.base.Network`.

        Args:
            settings: of ``torch.utils.checkpoint``.
        """
        self.gpt_neox.checkpointing = settings

    def use_attention(self, attend: Attend) -> None:
        """See :class:`.base.Network`."""
        self.gpt_neox.attend = attend

    def to_transformers(self) -> GPTNeoXForCausalLM:
        """See :class:`.base.Network`."""
        from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

        shape = self.shape
        model = GPTNeoXForCausalLM(
            GPTNeoXConfig(
                vocab_size=self.gpt_neox.embed_in.num_embeddings,
                hidden_size=shape.width,
                num_hidden_layers=shape.layers,
                num_attention_heads=shape.heads,
                intermediate_size=shape.feedforward,
                hidden_dropout=shape.dropout,
                max_position_embeddings=shape.max_positions,
                rotary_pct=1.0,
                use_parallel_residual=False,
                tie_word_embeddings=True,
                bos_token_id=1,
                eos_token_id=2,
                pad_token_id=0,
            )
        )
        model.load_state_dict(self.state_dict())
        return model.eval()


class Blocks(nn.Module):
    """The blocks and their embedding: embedded tokens → hidden states.

    Attributes:
        attend: computes attention from additive masks; None: PyTorch's.
        checkpointing: settings of ``torch.utils.checkpoint``; None: activations are stored.
    """

    attend: Attend | None = None
    checkpointing: Mapping[str, Any] | None = None

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_in = nn.Embedding(shape.vocabulary, shape.width)
        self.emb_dropout = nn.Dropout(shape.dropout)
        self.layers = nn.ModuleList(Block(shape, n) for n in range(shape.layers))
        self.final_layer_norm = nn.LayerNorm(shape.width)
        dims = torch.arange(0, shape.width // shape.heads, 2, dtype=torch.float32)
        frequencies = 1.0 / (ROTARY_BASE ** (dims / (shape.width // shape.heads)))
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.apply(_initialise)

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        past_key_values: Any = None,
        use_cache: bool = False,
        blocks: TreeBlocks | None = None,
    ) -> States:
        """Hidden states of tokens.

        Args:
            input_ids: ``(B, T)``, or
            inputs_embeds: ``(B, T, D)``.
            attention_mask: ``(B, 1, T, S)`` bool, the positions that each attends to; None: all
                before it, of its packed sequence.
            position_ids: ``(B, T)``; where they do not continue, a packed sequence starts. None:
                they continue those in the cache.
            past_key_values: a key-value cache of transformers, which is extended.
            use_cache: no effect: a cache that is given is used.
            blocks: of :func:`.tree_attention.tree_attention`, in place of a mask.
        """
        embedded = self.embed_in(input_ids) if inputs_embeds is None else inputs_embeds
        seen = 0 if past_key_values is None else past_key_values.get_seq_length()
        mask, attend = attention_mask, self.attend
        if blocks is not None:
            mask, attend = None, partial(tree_attention, blocks=blocks)
        elif mask is None:
            packed = None if past_key_values is not None else position_ids
            mask = _causal_mask(embedded, seen, packed, whole=attend is not None)
        if attend is not None and mask is not None:
            mask = additive(mask, embedded.dtype)
        if position_ids is None:
            position_ids = torch.arange(embedded.shape[1], device=embedded.device)[None] + seen
        hidden = self.emb_dropout(embedded)
        inputs = (self._rotation(position_ids, hidden), mask, past_key_values, attend)
        for block in self.layers:
            if self.checkpointing is not None and self.training:
                hidden = checkpoint(block, hidden, *inputs, **self.checkpointing)
            else:
                hidden = block(hidden, *inputs)
        return States(self.final_layer_norm(hidden))

    def _rotation(self, positions: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and sines ``(B, 1, T, D / H)`` of the angles, in the type of ``like``."""
        frequencies: Tensor = self.frequencies  # type: ignore[assignment]
        angles = positions[..., None].float() * frequencies.float()
        angles = torch.cat((angles, angles), dim=-1)[:, None]
        return angles.cos().to(like.dtype), angles.sin().to(like.dtype)


class Block(nn.Module):
    """Attention and a feed-forward layer, each after a norm and added to its input."""

    def __init__(self, shape: Shape, number: int) -> None:
        super().__init__()
        self.input_layernorm = nn.LayerNorm(shape.width)
        self.post_attention_layernorm = nn.LayerNorm(shape.width)
        self.dropout = nn.Dropout(shape.dropout)
        self.attention = Attention(shape, number)
        self.mlp = FeedForward(shape)

    def forward(
        self,
        hidden: Tensor,
        rotation: tuple[Tensor, Tensor],
        mask: Tensor | None,
        cache: Any,
        attend: Attend | None,
    ) -> Tensor:
        """``(B, T, D)`` → ``(B, T, D)``; arguments as of :class:`Attention`."""
        attended = self.attention(self.input_layernorm(hidden), rotation, mask, cache, attend)
        hidden = self.dropout(attended) + hidden
        out: Tensor = self.dropout(self.mlp(self.post_attention_layernorm(hidden))) + hidden
        return out


class Attention(nn.Module):
    """Causal self-attention with rotary positions (Su et al. 2021, arXiv 2104.09864)."""

    def __init__(self, shape: Shape, number: int) -> None:
        super().__init__()
        self.number, self.width = number, shape.width // shape.heads
        self.query_key_value = nn.Linear(shape.width, 3 * shape.width)
        self.dense = nn.Linear(shape.width, shape.width)

    def forward(
        self,
        hidden: Tensor,
        rotation: tuple[Tensor, Tensor],
        mask: Tensor | None,
        cache: Any,
        attend: Attend | None,
    ) -> Tensor:
        """``(B, T, D)`` → ``(B, T, D)``.

        Args:
            rotation: cosines and sines of the positions.
            mask: ``(B, 1, T, S)``: bool for PyTorch's attention, else additive; None: causal.
            cache: the key-value cache, which is extended; None: there is none.
            attend: see :class:`Blocks`.
        """
        mixed = self.query_key_value(hidden).unflatten(-1, (-1, 3 * self.width)).transpose(1, 2)
        query, key, value = mixed.chunk(3, dim=-1)
        query, key = _rotated(query, *rotation), _rotated(key, *rotation)
        if cache is not None:
            key, value = cache.update(key, value, self.number)
        scale = self.width**-0.5
        if attend is not None:
            attended, _ = attend(self, query, key, value, mask, scaling=scale)
        else:
            causal = mask is None and query.shape[2] > 1
            attended = scaled_dot_product_attention(
                query, key, value, attn_mask=mask, scale=scale, is_causal=causal
            ).transpose(1, 2)
        out: Tensor = self.dense(attended.flatten(2))
        return out


class FeedForward(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.dense_h_to_4h = nn.Linear(shape.width, shape.feedforward)
        self.dense_4h_to_h = nn.Linear(shape.feedforward, shape.width)

    def forward(self, hidden: Tensor) -> Tensor:
        """``(B, T, D)`` → ``(B, T, D)``."""
        out: Tensor = self.dense_4h_to_h(gelu(self.dense_h_to_4h(hidden)))
        return out


def _initialise(module: nn.Module) -> None:
    """Normal weights and zero biases; norms start as the identity."""
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=INIT_STD)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)


def _rotated(states: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """``(B, H, T, D / H)`` with the pairs of dimensions ``n`` and ``n + D / 2H`` rotated."""
    first, second = states.chunk(2, dim=-1)
    return states * cosines + torch.cat((-second, first), dim=-1) * sines


def _causal_mask(
    embedded: Tensor, seen: int, positions: Tensor | None, *, whole: bool
) -> Tensor | None:
    """``(B, 1, T, S)`` bool, the positions that each of T attends to.

    None if it would be plain causal attention, unless ``whole``.

    Args:
        embedded: ``(B, T, D)``.
        seen: S - T.
        positions: ``(B, T)``, which do not continue where a packed sequence starts.
    """
    batch, length, _ = embedded.shape
    if not whole and positions is None and (not seen or length == 1):
        return None
    index = torch.arange(seen + length, device=embedded.device)
    mask = (index <= index[seen:, None])[None, None].expand(batch, 1, -1, -1)
    if positions is None:
        return mask
    number = (positions.diff(prepend=positions[:, :1] - 1) != 1).cumsum(1)  # of a packed sequence
    return mask & (number[:, None, :, None] == number[:, None, None])
