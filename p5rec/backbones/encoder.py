"""A frozen text encoder: texts in, unit vectors out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from tqdm import tqdm
from transformers import AutoModel, AutoTokenizer

from p5rec.core.errors import UserError
from p5rec.data.fetch import fetch

from .quiet import quiet
from .smollm2 import smollm2_folder


def encode(
    texts: Sequence[str], encoder: str = "minilm", *, batch: int = 64, max_tokens: int = 128
) -> np.ndarray:
    """``(N, D)`` float32 unit vectors, mean-pooled over tokens (Reimers & Gurevych 2019).

    Args:
        texts: N texts.
        encoder: ``minilm`` (all-MiniLM-L6-v2, D = 384), ``smollm2``, a folder, or a hub name; a
            language model's vector is the mean of its last hidden states.
        batch: texts a forward pass.
        max_tokens: longer texts are cut.

    Raises:
        UserError: there is no such encoder.
    """
    quiet()
    built_in = {"minilm": lambda: fetch("minilm"), "smollm2": smollm2_folder}
    source = str(built_in[encoder]()) if encoder in built_in else encoder
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
        model = AutoModel.from_pretrained(source, dtype=torch.float32).eval()
    except (OSError, ValueError) as error:
        raise UserError(
            f"text encoder {encoder!r}: expected 'minilm', 'smollm2', a folder or a hub name, "
            f"got: {str(error).splitlines()[0]}; check the name"
        ) from error
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    # neighbours in length share a batch, so little of it is padding
    order = np.argsort([len(text) for text in texts], kind="stable")
    vectors = np.zeros((len(texts), model.config.hidden_size), dtype=np.float32)
    with torch.inference_mode():
        for start in tqdm(range(0, len(texts), batch), desc="encode", unit="batch", leave=False):
            rows = order[start : start + batch]
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
    return vectors
