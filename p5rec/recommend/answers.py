"""Prompted questions to a trained model: ranked items, numbers, and text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from tqdm import tqdm

from p5rec.core.types import Example
from p5rec.models.batches import by_length, pad
from p5rec.models.checkpoint import Bundle
from p5rec.models.encode import encode_source

from .config import DecodeConfig
from .listing import Allowed, rank_prompts


def encode_all(bundle: Bundle, examples: Sequence[Example]) -> list[np.ndarray]:
    """The questions of B examples as token ids."""
    limit = bundle.settings.max_tokens
    return [encode_source(bundle.tokenizer, example, limit) for example in examples]


def rank_answers(
    bundle: Bundle,
    examples: Sequence[Example],
    config: DecodeConfig,
    seed: int,
    allowed: Allowed | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Item answers: ``(B, k)`` items and log-probabilities (see :func:`rank_prompts`)."""
    return rank_prompts(bundle, encode_all(bundle, examples), config, seed, allowed)


@torch.inference_mode()
def rate(bundle: Bundle, examples: Sequence[Example], config: DecodeConfig) -> np.ndarray:
    """What the rating heads say, ``(B,)`` float32 on the data's scale.

    Raises:
        ValueError: the model has no rating heads.
    """
    heads, model = bundle.model.heads, bundle.model
    if heads is None:
        raise ValueError("this model was trained without rating heads")
    prompts = encode_all(bundle, examples)
    out = np.empty(len(prompts), dtype=np.float32)
    lengths = np.array([len(prompt) for prompt in prompts])
    with tqdm(total=len(prompts), desc="rate", unit="pair") as bar:
        for rows in by_length(lengths, config.batch_tokens):
            ids, mask = pad([prompts[r] for r in rows], bundle.tokenizer.pad_token_id)
            ids, mask = ids.to(model.device), mask.to(model.device)
            hidden = model.decoder(input_ids=ids, attention_mask=mask).last_hidden_state
            last = hidden[torch.arange(len(rows), device=model.device), mask.sum(1) - 1]
            out[rows] = heads.predict(last).cpu().numpy()
            bar.update(len(rows))
    return out


@torch.inference_mode()
def write(bundle: Bundle, examples: Sequence[Example], config: DecodeConfig) -> list[str]:
    """The model's text answers, the likeliest word at each step, up to its end token."""
    prompts = encode_all(bundle, examples)
    lengths = np.array([len(prompt) for prompt in prompts])
    tokenizer, device = bundle.tokenizer, bundle.model.device
    texts = [""] * len(prompts)
    with tqdm(total=len(prompts), desc="write", unit="answer") as bar:
        for rows in by_length(lengths, config.batch_tokens):
            ids, mask = pad([prompts[r] for r in rows], tokenizer.pad_token_id, left=True)
            # every knob is set here, so that no checkpoint's own settings reach in
            out = bundle.model.causal.generate(
                input_ids=ids.to(device),
                attention_mask=mask.to(device),
                max_new_tokens=config.max_new_tokens,
                do_sample=False,
                num_beams=1,
                use_cache=True,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.pad_token_id,
            )
            for row, answer in zip(rows, out[:, ids.shape[1] :], strict=True):
                texts[row] = _text(bundle, answer.tolist())
            bar.update(len(rows))
    return texts


def _text(bundle: Bundle, tokens: list[int]) -> str:
    end = bundle.tokenizer.eos_token_id
    kept = tokens[: tokens.index(end)] if end in tokens else tokens
    kept = [t for t in kept if t != bundle.tokenizer.pad_token_id]
    # item codes are added tokens: skipping "special" ones would drop them
    return bundle.tokenizer.decode(kept, skip_special_tokens=False).strip()
