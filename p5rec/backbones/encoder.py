"""Embeddings of texts from a frozen text encoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from p5rec.core.errors import UserError
from p5rec.core.progress import open_bar

from .control_tokens import literal_for
from .quiet import quiet
from .sources import open_model
from .tiny_encoder import TINY, tiny_encoder
from .vectors_config import MAX_TOKENS


def encode(
    texts: Sequence[str],
    encoder: str = "minilm",
    *,
    layer: int | None = None,
    batch: int = 64,
    max_tokens: int = MAX_TOKENS,
    download: bool = False,
) -> np.ndarray:
    """``(N, D)`` float32 unit vectors, mean-pooled over tokens (Reimers & Gurevych 2019).

    Texts of equal length form batches without padding, so a vector depends on its own text alone.
    Control tokens of the encoder in a text are split.

    Args:
        texts: N texts.
        encoder: ``minilm`` (all-MiniLM-L6-v2, D = 384), ``smollm2``, ``tiny`` (random weights, for
            tests), a folder, or a hub name.
        layer: the hidden state that is averaged: 0 the embeddings, n the output of block n; None:
            the last.
        batch: most texts of a forward pass.
        max_tokens: longer texts are truncated.
        download: whether missing files may be downloaded.

    Returns:
        The vectors; NaN for a text without tokens.

    Raises:
        UserError: the encoder does not exist, is not on this machine and may not be downloaded, has
            no weights in safetensors, or has fewer layers.
    """
    tokenizer, model = open_encoder(encoder, layer, download)
    ids = token_ids(tokenizer, texts, max_tokens)
    vectors = np.full((len(texts), model.config.hidden_size), np.nan, dtype=np.float32)
    with torch.inference_mode(), open_bar(len(texts), "encode", "text") as bar:
        for chosen in of_equal_length(ids, batch):
            tokens = torch.tensor([ids[i] for i in chosen])
            if layer is None:
                hidden = model(input_ids=tokens).last_hidden_state
            else:
                hidden = model(input_ids=tokens, output_hidden_states=True).hidden_states[layer]
            vectors[chosen] = torch.nn.functional.normalize(hidden.mean(1), dim=-1).numpy()
            bar.update(len(chosen))
    return vectors


def open_encoder(encoder: str, layer: int | None, download: bool) -> tuple[Any, Any]:
    """The tokenizer and the model of ``encoder``, which must have hidden state ``layer``.

    Raises:
        UserError: see :func:`encode`.
    """
    if encoder == TINY and layer is None:
        return tiny_encoder()
    quiet()

    def read(source: str, local: bool) -> tuple[Any, Any]:
        model = AutoModel.from_pretrained(
            source, dtype=torch.float32, use_safetensors=True, local_files_only=local
        )
        return AutoTokenizer.from_pretrained(source, local_files_only=local), model.eval()

    tokenizer, model = open_model(
        encoder, read, what="text encoder", download=download,
        expected="'minilm', 'smollm2', a folder or a hub name",
    )  # fmt: skip
    depth = model.config.num_hidden_layers
    if layer is not None and layer > depth:
        raise UserError(
            f"text encoder {encoder!r}: expected a layer from 0 to {depth}, got {layer}; lower it"
        )
    return tokenizer, model


def token_ids(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    """The tokens of each text; control tokens of the encoder in a text are split."""
    if not texts:
        return []
    escape = literal_for(tokenizer)
    escaped = [escape(text) for text in texts]
    ids: list[list[int]] = tokenizer(escaped, truncation=True, max_length=max_tokens)["input_ids"]
    return ids


def of_equal_length(ids: Sequence[Sequence[int]], batch: int) -> Iterator[np.ndarray]:
    """Indices of at most ``batch`` texts of one length above 0, shortest first.

    Args:
        ids: the tokens of each text.
        batch: most texts.
    """
    lengths = np.array([len(each) for each in ids], dtype=np.int64)
    for length in np.unique(lengths[lengths > 0]):
        same = np.flatnonzero(lengths == length)
        yield from np.split(same, range(batch, len(same), batch))
