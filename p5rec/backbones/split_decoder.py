"""A decoder in two parts: lower blocks, whose states of a text can be stored, and upper blocks.

B sequences, T positions, S positions with those in the key-value cache, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from p5rec.core.errors import UserError
from p5rec.core.progress import open_bar

from .attention import additive
from .decoder import Blocks, Decoder, Shape
from .encoder import of_equal_length
from .precision import computing
from .split_encoder import TokenStates
from .transformer import decoder_of

NORMS = ("norm", "final_layer_norm")  # names of the norm after the last block
NUMBERS = ("layer_idx", "number")  # names of a block's number, which finds it in a cache
TRANSFORMERS, COMPACT = "transformers", "scratch"


class UpperBlocks(nn.Module):
    """The blocks above the stored states, and the norm after them.

    Attributes:
        blocks: the decoder without embeddings and lower blocks.
        shape: what :func:`empty_blocks` makes such a decoder from, as plain data.
    """

    def __init__(self, blocks: Any, shape: Mapping[str, Any]) -> None:
        super().__init__()
        self.blocks, self.shape = blocks, shape
        last: Any = self.layers[-1]
        self._last = [AtEnds(last.mlp)]  # a list, so that its weights have one name
        last.mlp = self._last[0]

    @property
    def layers(self) -> nn.ModuleList:
        """The blocks themselves."""
        return _stack(self.blocks)[1]

    def forward(self, states: Tensor, mask: Tensor, positions: Tensor, cache: Any = None) -> Tensor:
        """``(B, T, D)`` the last hidden states.

        Args:
            states: ``(B, T, D)`` the states below the blocks.
            mask: ``(B, T, S)`` bool, the positions that each reads.
            positions: ``(B, T)``.
            cache: a key-value cache of transformers, which is extended; None: there is none.
        """
        read = mask[:, None]
        if not isinstance(self.blocks, Blocks):
            read = additive(read, states.dtype)
        out: Tensor = self.blocks(
            inputs_embeds=states,
            attention_mask=read,
            position_ids=positions,
            past_key_values=cache,
            use_cache=cache is not None,
        ).last_hidden_state
        return out

    def at_ends(self, states: Tensor, mask: Tensor, positions: Tensor, ends: Tensor) -> Tensor:
        """``(B, D)`` the last hidden states at the positions ``ends (B,)``; others as above."""
        with self._last[0].at(ends):
            hidden = self(states, mask, positions)
        out: Tensor = hidden[torch.arange(len(states)), ends]
        return out


class AtEnds(nn.Module):
    """The last feed-forward module, which only the ends of sequences need.

    Args:
        inner: the module, D → D.
    """

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self._ends: Tensor | None = None

    @contextmanager
    def at(self, ends: Tensor) -> Iterator[None]:
        """Inside the context, the module is computed at the positions ``ends (B,)`` alone."""
        self._ends = ends
        try:
            yield
        finally:
            self._ends = None

    def forward(self, hidden: Tensor) -> Tensor:
        """``(B, T, D)`` → ``(B, T, D)``; 0 at the other positions."""
        if self._ends is None:
            whole: Tensor = self.inner(hidden)
            return whole
        rows = torch.arange(len(hidden))
        own: Tensor = self.inner(hidden[rows, self._ends])
        return own.new_zeros(hidden.shape).index_put((rows, self._ends), own)


class LowerBlocks(nn.Module):
    """The blocks below the stored states, without a norm after them: causal, as pretrained."""

    def __init__(self, blocks: Any) -> None:
        super().__init__()
        self.blocks = blocks

    def forward(self, embedded: Tensor) -> Tensor:
        """``(B, T, D)`` embedded tokens → the states ``(B, T, D)`` above the blocks."""
        out: Tensor = self.blocks(inputs_embeds=embedded, use_cache=False).last_hidden_state
        return out


def split_decoder(network: Any, lower: int) -> tuple[nn.Module, UpperBlocks]:
    """The first ``lower`` blocks of ``network``, frozen, and the others.

    The upper ones compute attention with weights in memory, which is faster for short sequences.

    Args:
        network: a :class:`.base.Network` without an encoder. It must not be used afterwards.
        lower: number of blocks; 0: the first part changes nothing.

    Raises:
        UserError: the network is no decoder of known form, or has no block left.
    """
    decoder: Any = decoder_of(network)
    norm = next((name for name in NORMS if hasattr(decoder, name)), None)
    if norm is None or not hasattr(_stack(decoder)[1][0], "mlp"):
        raise UserError(
            f"backbone: expected a decoder shaped like Llama or GPT-NeoX, got "
            f"{type(network).__name__}; name another"
        )
    name, blocks = _stack(decoder)
    if lower >= len(blocks):
        raise UserError(
            f"cached_layers: expected fewer than the backbone's {len(blocks)} layers, got {lower}; "
            "lower it"
        )
    if not isinstance(decoder, Blocks):
        decoder.set_attn_implementation("eager")  # in the config that all blocks share
    setattr(decoder, _embedding(decoder), nn.Identity())
    below, above = blocks[:lower], blocks[lower:]
    setattr(decoder, name, nn.ModuleList())
    first: nn.Module = nn.Identity()
    if lower:
        part = deepcopy(decoder)
        setattr(part, name, below)
        setattr(part, norm, nn.Identity())
        first = LowerBlocks(_numbered(part, lower)).requires_grad_(False).eval()
    setattr(decoder, name, above)
    return first, UpperBlocks(_numbered(decoder, len(above)), _shape(network, decoder))


def empty_blocks(shape: Mapping[str, Any]) -> UpperBlocks:
    """Upper blocks with random weights, from their :attr:`UpperBlocks.shape`."""
    if shape["kind"] == COMPACT:
        blocks: Any = Blocks(Shape(**shape["sizes"]))
    else:
        from transformers import AutoConfig, AutoModel

        sizes = dict(shape["sizes"])
        config = AutoConfig.for_model(sizes.pop("model_type"), **sizes)
        blocks = AutoModel.from_config(config, attn_implementation="eager").float()
    setattr(blocks, _embedding(blocks), nn.Identity())
    return UpperBlocks(blocks, shape)


def segment_states(
    segments: Sequence[Sequence[int]],
    embedding: Any,
    lower: nn.Module,
    *,
    batch: int = 64,
    dtype: torch.dtype = torch.float32,
) -> TokenStates:
    """The states ``(S, D)`` float32 above the lower blocks of each of R segments on its own.

    Segments of equal length form batches without padding.

    Args:
        segments: the tokens of each.
        embedding: of tokens.
        lower: the lower blocks.
        batch: most segments of a forward pass.
        dtype: of the matrix products.
    """
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in segments])]).astype(np.int64)
    rows = []
    autocast = computing(dtype)
    with torch.inference_mode(), autocast, open_bar(len(segments), "encode", "text") as bar:
        for chosen in of_equal_length(segments, batch):
            hidden = lower(embedding(torch.tensor([segments[n] for n in chosen])))
            rows.append((chosen, hidden.float().numpy()))
            bar.update(len(chosen))
    states = np.empty((offsets[-1], rows[0][1].shape[-1]), dtype=np.float32)
    for chosen, hidden in rows:
        for row, own in zip(chosen.tolist(), hidden, strict=True):
            states[offsets[row] : offsets[row + 1]] = own
    return TokenStates(states, offsets)


def _stack(decoder: Any) -> tuple[str, nn.ModuleList]:
    """Name and modules of a decoder's blocks."""
    found: Iterator[tuple[str, Any]] = (
        (name, each) for name, each in decoder.named_children() if isinstance(each, nn.ModuleList)
    )
    return next(found)


def _embedding(decoder: Any) -> str:
    """Name of a decoder's embedding."""
    return "embed_in" if isinstance(decoder, Blocks) else "embed_tokens"


def _numbered(decoder: Any, count: int) -> Any:
    """``decoder`` with its blocks numbered from 0."""
    for index, block in enumerate(_stack(decoder)[1]):
        for module in block.modules():
            for name in NUMBERS:
                if hasattr(module, name):
                    setattr(module, name, index)
    if not isinstance(decoder, Blocks):
        decoder.config = deepcopy(decoder.config)
        decoder.config.num_hidden_layers = count
    return decoder


def _shape(network: Any, decoder: Any) -> dict[str, Any]:
    """See :attr:`UpperBlocks.shape`."""
    layers = len(_stack(decoder)[1])
    if isinstance(network, Decoder):
        sizes = {**asdict(network.shape), "layers": layers, "vocabulary": 1}
        return {"kind": COMPACT, "sizes": sizes}
    config = decoder.config.to_dict()
    kept = {name: value for name, value in config.items() if not name.startswith("_")}
    kept |= dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id"))
    kept |= {"num_hidden_layers": layers, "vocab_size": 1}
    return {"kind": TRANSFORMERS, "sizes": {**kept, "model_type": decoder.config.model_type}}
