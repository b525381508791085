"""Embeddings of texts from a frozen text encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from p5rec.core.progress import open_bar

from .quiet import quiet
from .sources import open_model


def encode(
    texts: Sequence[str],
    encoder: str = "minilm",
    *,
    batch: int = 64,
    max_tokens: int = 128,
    download: bool = False,
) -> np.ndarray:
    """``(N, D)`` float32 unit vectors, mean-pooled over tokens (Reimers & Gurevych 2019).

    Args:
        texts: N texts.
        encoder: ``minilm`` (all-MiniLM-L6-v2, D = 384), ``smollm2``, a folder, or a hub name; for
            a language model, the mean of its last hidden states is the vector.
        batch: texts a forward pass.
        max_tokens: longer texts are truncated.
        download: whether missing files may be downloaded.

    Raises:
        UserError: the encoder does not exist, is not on this machine and may not be downloaded, or
            has no weights in safetensors.
    """
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
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    # sorted by length, so that batches contain little padding
    order = np.argsort([len(text) for text in texts], kind="stable")
    vectors = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
    with torch.inference_mode(), open_bar(len(texts), "encode", "text") as bar:
        for chosen in np.split(order, range(batch, len(texts), batch)):
            inputs = tokenizer(
                [texts[i] for i in chosen],
                padding=True,
                truncation=True,
                max_length=max_tokens,
                return_tensors="pt",
            )
            hidden = model(**inputs).last_hidden_state
            mask = inputs["attention_mask"][..., None]
            pooled = (hidden * mask).sum(1) / mask.sum(1)
            vectors[chosen] = torch.nn.functional.normalize(pooled, dim=-1).numpy()
            bar.update(len(chosen))
    return vectors
