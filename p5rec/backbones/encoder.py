"""A frozen text encoder: texts in, unit vectors out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer

from p5rec.core.progress import open_bar

from .quiet import quiet
from .sources import opened


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
        encoder: ``minilm`` (all-MiniLM-L6-v2, D = 384), ``smollm2``, a folder, or a hub name; a
            language model's vector is the mean of its last hidden states.
        batch: texts a forward pass.
        max_tokens: longer texts are cut.
        download: whether what is not on this machine may be fetched.

    Raises:
        UserError: there is no such encoder, it is not on this machine and may not be downloaded,
            or its weights are no safetensors.
    """
    quiet()

    def read(source: str, local: bool) -> tuple[Any, Any]:
        model = AutoModel.from_pretrained(
            source, dtype=torch.float32, use_safetensors=True, local_files_only=local
        )
        return AutoTokenizer.from_pretrained(source, local_files_only=local), model.eval()

    tokenizer, model = opened(
        encoder, read, what="text encoder", download=download,
        expected="'minilm', 'smollm2', a folder or a hub name",
    )  # fmt: skip
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    # neighbours in length share a batch, so little of it is padding
    order = np.argsort([len(text) for text in texts], kind="stable")
    vectors = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
    with torch.inference_mode(), open_bar(len(texts), "encode", "text") as bar:
        for rows in np.split(order, range(batch, len(texts), batch)):
            inputs = tokenizer(
                [texts[r] for r in rows],
                padding=True,
                truncation=True,
                max_length=max_tokens,
                return_tensors="pt",
            )
            hidden = model(**inputs).last_hidden_state
            mask = inputs["attention_mask"][..., None]
            pooled = (hidden * mask).sum(1) / mask.sum(1)
            vectors[rows] = torch.nn.functional.normalize(pooled, dim=-1).numpy()
            bar.update(len(rows))
    return vectors
