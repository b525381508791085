"""Texts that a language model generates for prompts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import LogitsProcessorList, PreTrainedTokenizerBase

from p5rec.decode.grammar import Grammar
from p5rec.decode.grammar_processor import GrammarLogitsProcessor, TokenBytes
from p5rec.models.language import WithLanguageModel
from p5rec.models.point_adapter import Vectors, soft_tokens
from p5rec.models.readers import Reader
from p5rec.models.text_generation import generate_tokens, token_by_token

from .batching import prompt_batches


@dataclass(frozen=True)
class Generated:
    """A generated text.

    Attributes:
        text: without the end token.
        tokens: the number of generated tokens, the end token included.
        seconds: the share of this text in the time of its batch.
    """

    text: str
    tokens: int
    seconds: float


@torch.inference_mode()
def generate(
    opened: WithLanguageModel,
    prompts: Sequence[np.ndarray],
    grammar: Grammar | Sequence[Grammar] | None = None,
    *,
    max_new_tokens: int,
    batch_tokens: int,
    vectors: Sequence[Vectors | None] = (),
) -> list[Generated]:
    """B texts, by greedy decoding up to the model's end token.

    Args:
        opened: the model, in eval mode, and its vocabulary.
        prompts: B arrays of token ids.
        grammar: the texts that are possible, for all prompts or for each; None: any text.
        max_new_tokens: most tokens of a text.
        batch_tokens: most prompt tokens of a batch, padding included.
        vectors: B, the vectors of each prompt; empty: prompts are words alone.
    """
    tokenizer = opened.vocabulary.tokenizer
    words = None if grammar is None else TokenBytes(tokenizer, opened.model.tokens)
    texts = [Generated("", 0, 0.0)] * len(prompts)
    for numbers, ids, mask in prompt_batches(
        opened, prompts, batch_tokens, desc="generate", unit="text"
    ):
        started = time.perf_counter()
        rules = LogitsProcessorList()
        if grammar is not None and words is not None:
            # the model's loop sees the output alone: the prompt is given as embeddings
            own = grammar if isinstance(grammar, Grammar) else [grammar[n] for n in numbers]
            rules.append(GrammarLogitsProcessor(own, words, 0, tokenizer.eos_token_id))
        out = generate_tokens(
            opened.model,
            (ids, mask),
            rules,
            most=max_new_tokens,
            end=tokenizer.eos_token_id,
            filler=tokenizer.pad_token_id,
            soft=soft_tokens([vectors[n] for n in numbers], ids) if vectors else None,
        )
        seconds = (time.perf_counter() - started) / len(numbers)
        for number, tokens in zip(numbers, out, strict=True):
            texts[number] = _generated(tokenizer, tokens.tolist(), seconds)
    return texts


def texts_after(
    opened: WithLanguageModel, reader: Reader, rules: LogitsProcessorList, max_new_tokens: int
) -> list[str]:
    """The texts after the prompts of ``reader``, as :func:`generate`.

    Args:
        opened: the model, in eval mode, and its vocabulary.
        reader: of hidden states.
        rules: constraints on the tokens.
        max_new_tokens: most tokens of a text.
    """
    tokenizer = opened.vocabulary.tokenizer
    out = token_by_token(
        opened.model,
        reader,
        rules,
        most=max_new_tokens,
        end=tokenizer.eos_token_id,
        filler=tokenizer.pad_token_id,
    )
    return [_generated(tokenizer, tokens, 0.0).text for tokens in out.tolist()]


def _generated(tokenizer: PreTrainedTokenizerBase, tokens: list[int], seconds: float) -> Generated:
    ended = tokenizer.eos_token_id in tokens
    words = tokens[: tokens.index(tokenizer.eos_token_id)] if ended else tokens
    words = [token for token in words if token != tokenizer.pad_token_id]
    # item codes are added tokens: skipping "special" ones would drop them
    text = tokenizer.decode(words, skip_special_tokens=False).strip()
    return Generated(text, len(words) + ended, seconds)
