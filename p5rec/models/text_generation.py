"""Greedy text generation.

B requests, T tokens of a prompt, n tokens of the longest output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .language import LanguageModel
from .point_adapter import SoftTokens
from .readers import Reader
from .scorer import prompt_reader
from .words import LogitsReader

if TYPE_CHECKING:
    from transformers import LogitsProcessorList


def generate_tokens(
    model: LanguageModel,
    prompts: tuple[Tensor, Tensor],
    rules: LogitsProcessorList,
    *,
    most: int,
    end: int,
    filler: int,
    soft: SoftTokens | None = None,
) -> Tensor:
    """``(B, n)``: generated tokens, padded with ``filler`` after ``end``.

    A network without ``generate``, or with an encoder, is run token by token.

    Args:
        model: in eval mode.
        prompts: ids and mask, ``(B, T)``.
        rules: constraints: tokens so far and their scores → scores.
        most: maximum number of generated tokens.
        soft: the tokens of the prompts that stand for vectors; None: all are words.
    """
    if model.seq2seq or not hasattr(model.causal, "generate"):
        reader = prompt_reader(model, *prompts, soft)
        return token_by_token(model, reader, rules, most=most, end=end, filler=filler)
    embedded, at = model.embed(*prompts, at_end=True, soft=soft)
    # every option is set, so that a checkpoint's own settings have no effect
    tokens: Tensor = model.causal.generate(
        inputs_embeds=embedded,
        attention_mask=at.real.long(),
        logits_processor=rules,
        max_new_tokens=most,
        do_sample=False,
        num_beams=1,
        use_cache=True,
        eos_token_id=end,
        pad_token_id=filler,
    )
    return tokens


def token_by_token(
    model: LanguageModel,
    reader: Reader,
    rules: LogitsProcessorList,
    *,
    most: int,
    end: int,
    filler: int,
) -> Tensor:
    """As :func:`generate_tokens`, after the prompts of ``reader``, whose outputs are states."""
    logits_reader = LogitsReader(model, reader, reader.read())
    logits = logits_reader.read()
    tokens = torch.empty(len(logits), 0, dtype=torch.int64, device=logits.device)
    done = torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
    one_beam = torch.zeros(len(logits), 1, dtype=torch.int64, device=logits.device)
    while True:
        token = rules(tokens, logits.float()).argmax(-1).masked_fill(done, filler)
        tokens, done = torch.cat([tokens, token[:, None]], dim=1), done | (token == end)
        if tokens.shape[1] == most or bool(done.all()):
            return tokens
        logits = logits_reader.follow({"input_ids": token[:, None]}, one_beam)[:, 0]
