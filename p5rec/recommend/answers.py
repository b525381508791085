"""Prompted questions to a trained model: ranked items, and text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import LogitsProcessorList

from p5rec.core.examples import Example
from p5rec.decode.allowed import Allowed
from p5rec.decode.grammar import Grammar
from p5rec.decode.token_rows import TokenRows
from p5rec.decode.words import GrammarLogitsProcessor, TokenBytes
from p5rec.models.checkpoint import Bundle
from p5rec.models.inputs import Question, fit_source
from p5rec.models.writing import write_tokens

from .batching import prompt_batches
from .config import DecodeConfig
from .listing import rank_prompts
from .tables import RankingTables


def fit_all(bundle: Bundle, examples: Sequence[Example]) -> list[Question]:
    """The questions of B examples, each made to fit what the model was taught to read."""
    limit = bundle.settings.max_tokens
    return [fit_source(bundle.tokenizer, example, limit) for example in examples]


def encode_all(bundle: Bundle, examples: Sequence[Example]) -> list[np.ndarray]:
    """The same as token ids."""
    return [question.ids for question in fit_all(bundle, examples)]


def rank_answers(
    bundle: Bundle,
    examples: Sequence[Example],
    config: DecodeConfig,
    seed: int,
    allowed: Allowed | None = None,
    requests: np.ndarray | None = None,
    names: TokenRows | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Item answers: ``(B, k)`` items and log-probabilities (see :func:`rank_prompts`)."""
    tables = RankingTables.build(bundle, config, seed, names)
    return rank_prompts(tables, encode_all(bundle, examples), config.k, allowed, requests)


@torch.inference_mode()
def write(
    bundle: Bundle,
    examples: Sequence[Example],
    config: DecodeConfig,
    grammar: Grammar | None = None,
) -> list[str]:
    """The model's text answers, the likeliest word at each step, up to its end token.

    Args:
        grammar: what an answer must look like; None: anything.
    """
    prompts = encode_all(bundle, examples)
    tokenizer = bundle.tokenizer
    rules = LogitsProcessorList()
    if grammar is not None:  # with embeddings for a prompt, generate hands on the answer alone
        words = TokenBytes(tokenizer, bundle.model.tokens)
        opened = int(bundle.model.seq2seq)  # by a token of its own
        rules.append(GrammarLogitsProcessor(grammar, words, opened, tokenizer.eos_token_id))
    texts = [""] * len(prompts)
    batches = prompt_batches(bundle, prompts, config.batch_tokens, desc="write", unit="answer")
    for rows, ids, mask in batches:
        out = write_tokens(
            bundle.model,
            (ids, mask),
            rules,
            most=config.max_new_tokens,
            end=tokenizer.eos_token_id,
            filler=tokenizer.pad_token_id,
        )
        for row, answer in zip(rows, out, strict=True):
            texts[row] = _text(bundle, answer.tolist())
    return texts


def _text(bundle: Bundle, tokens: list[int]) -> str:
    end = bundle.tokenizer.eos_token_id
    kept = tokens[: tokens.index(end)] if end in tokens else tokens
    kept = [t for t in kept if t != bundle.tokenizer.pad_token_id]
    # item codes are added tokens: skipping "special" ones would drop them
    return bundle.tokenizer.decode(kept, skip_special_tokens=False).strip()
