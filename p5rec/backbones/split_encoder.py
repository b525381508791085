"""A text encoder in two parts: hidden states of its lower blocks, and its top blocks to train.

R texts, S tokens of all texts, B texts of at most T tokens, D width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from p5rec.core.errors import UserError
from p5rec.core.progress import open_bar

from .encoder import of_equal_length, open_encoder, token_ids
from .precision import computing
from .scratch import byte_tokenizer
from .tiny_encoder import TINY, tiny_config


@dataclass(frozen=True, eq=False)
class TokenStates:
    """Hidden states of the tokens of R texts.

    Attributes:
        states: ``(S, D)`` float16.
        offsets: ``(R + 1,)`` int64, the first token of each text.
    """

    states: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """``(R,)`` tokens of each text."""
        return np.diff(self.offsets)

    def take(self, texts: np.ndarray) -> tuple[Tensor, Tensor]:
        """``(B, T, D)`` float32 states of ``texts (B,)``; ``(B, T)`` bool, their real tokens."""
        starts, lengths = self.offsets[texts], self.lengths[texts]
        at = np.arange(int(lengths.max()))
        real = at < lengths[:, None]
        rows = np.where(real, starts[:, None] + at, starts[:, None])
        return torch.from_numpy(self.states[rows].astype(np.float32)), torch.from_numpy(real)


def open_text_model(encoder: str, *, random: bool, seed: int) -> tuple[Any, Any]:
    """The tokenizer and the model of a text encoder.

    Args:
        encoder: ``minilm``, ``smollm2``, a folder or a hub name; ``tiny``: a small model over bytes
            with random weights.
        random: replace the weights by random ones.
        seed: of random weights.

    Raises:
        UserError: the encoder cannot be opened.
    """
    from transformers import AutoModel

    if encoder == TINY:
        tokenizer = byte_tokenizer()
        config: Any = tiny_config()
    else:
        tokenizer, model = open_encoder(encoder, None, download=True)
        config = model.config
        if not random:
            return tokenizer, model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return tokenizer, AutoModel.from_config(config).float().eval()


def check_top(encoder: str, model: Any, top: int) -> None:
    """Checks that ``model`` has ``top`` blocks.

    Raises:
        UserError: it has fewer.
    """
    if top > (depth := model.config.num_hidden_layers):
        raise UserError(
            f"text encoder {encoder!r}: expected at most {depth} trained layers, got {top}; "
            "lower it"
        )


def lower_states(
    texts: Sequence[str],
    tokenizer: Any,
    model: Any,
    top: int,
    *,
    max_tokens: int,
    batch: int = 64,
    dtype: torch.dtype = torch.float32,
) -> TokenStates:
    """The hidden states below the ``top`` last blocks.

    Texts of equal length form batches without padding, so states depend on their own text alone.

    Args:
        texts: R texts.
        tokenizer, model: of the encoder.
        top: the number of blocks above the states.
        max_tokens: longer texts are truncated.
        batch: most texts of a forward pass.
        dtype: of the matrix products.
    """
    ids, layer = token_ids(tokenizer, texts, max_tokens), model.config.num_hidden_layers - top
    offsets = np.concatenate([[0], np.cumsum([len(each) for each in ids])]).astype(np.int64)
    states = np.empty((offsets[-1], model.config.hidden_size), dtype=np.float16)
    autocast = computing(dtype)
    progress = open_bar(len(texts), "encode", "text")
    with torch.inference_mode(), autocast, _first_blocks(model, layer + 1), progress as bar:
        for chosen in of_equal_length(ids, batch):
            tokens = torch.tensor([ids[i] for i in chosen])
            hidden = model(input_ids=tokens, output_hidden_states=True).hidden_states[layer]
            for row, own in zip(chosen.tolist(), hidden.half().numpy(), strict=True):
                states[offsets[row] : offsets[row + 1]] = own
            bar.update(len(chosen))
    return TokenStates(states, offsets)


@contextmanager
def _first_blocks(model: Any, count: int) -> Iterator[None]:
    """``model`` has its ``count`` first blocks inside the context."""
    blocks = _blocks(model)
    others = blocks[count:]
    del blocks[count:]
    try:
        yield
    finally:
        blocks.extend(others)


def _blocks(model: Any) -> nn.ModuleList:
    depth = model.config.num_hidden_layers
    return next(m for m in model.modules() if isinstance(m, nn.ModuleList) and len(m) == depth)


class TopBlocks(nn.Module):
    """The last blocks of a text encoder over stored states, and the mean over tokens.

    Args:
        model: the encoder; its lower blocks are dropped.
        top: the number of blocks.
    """

    def __init__(self, model: Any, top: int) -> None:
        super().__init__()
        blocks = _blocks(model)
        del blocks[: len(blocks) - top]
        model.config.num_hidden_layers, model.config.use_cache = top, False
        if hasattr(model, "embeddings"):
            model.embeddings = _GivenStates()
        else:
            model.set_input_embeddings(nn.Identity())
        self.model, self.width = model, model.config.hidden_size

    def forward(self, states: Tensor, real: Tensor) -> Tensor:
        """``(B, D)`` the mean of the last hidden states.

        Args:
            states: ``(B, T, D)`` float32, the states below the blocks.
            real: ``(B, T)`` bool, False for padding.
        """
        hidden = self.model(inputs_embeds=states, attention_mask=real.long()).last_hidden_state
        mask = real[..., None].to(hidden.dtype)
        mean: Tensor = (hidden * mask).sum(1) / mask.sum(1)
        return mean


class _GivenStates(nn.Module):
    """Stands in for the embeddings of an encoder that starts from stored states."""

    def forward(self, inputs_embeds: Tensor, **_: Any) -> Tensor:
        return inputs_embeds
