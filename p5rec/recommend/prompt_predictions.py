"""A trained model's predictions for prompts: ranked items, and generated text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from transformers import LogitsProcessorList

from p5rec.core.examples import Example
from p5rec.decode.allowed import Allowed
from p5rec.decode.grammar import Grammar
from p5rec.decode.grammar_processor import GrammarLogitsProcessor, TokenBytes
from p5rec.decode.token_sequences import TokenSequences
from p5rec.models.checkpoint import Bundle
from p5rec.models.inputs import PromptTokens, fit_prompt
from p5rec.models.text_generation import generate_tokens

from .batching import prompt_batches
from .config import DecodeConfig
from .prompt_ranking import rank_for_prompts
from .tables import RankingTables


def fit_prompts(bundle: Bundle, examples: Sequence[Example]) -> list[PromptTokens]:
    """The prompts of B examples, each shortened to the longest input of the model's training."""
    limit = bundle.settings.max_tokens
    return [fit_prompt(bundle.tokenizer, example, limit) for example in examples]


def encode_prompts(bundle: Bundle, examples: Sequence[Example]) -> list[np.ndarray]:
    """The prompts of :func:`fit_prompts` as token ids."""
    return [prompt.ids for prompt in fit_prompts(bundle, examples)]


def rank_for_examples(
    bundle: Bundle,
    examples: Sequence[Example],
    config: DecodeConfig,
    seed: int,
    allowed: Allowed | None = None,
    requests: np.ndarray | None = None,
    names: TokenSequences | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """``(B, k)`` ranked items and their log-probabilities (see :func:`rank_for_prompts`)."""
    tables = RankingTables.build(bundle, config, seed, names)
    return rank_for_prompts(tables, encode_prompts(bundle, examples), config.k, allowed, requests)


@torch.inference_mode()
def generate_texts(
    bundle: Bundle,
    examples: Sequence[Example],
    config: DecodeConfig,
    grammar: Grammar | None = None,
) -> list[str]:
    """B texts, by greedy decoding up to the model's end token.

    Args:
        grammar: the texts that are possible; None: any text.
    """
    prompts = encode_prompts(bundle, examples)
    tokenizer = bundle.tokenizer
    rules = LogitsProcessorList()
    if grammar is not None:  # generate sees the output alone: the prompt is given as embeddings
        words = TokenBytes(tokenizer, bundle.model.tokens)
        start_tokens = int(bundle.model.seq2seq)  # a decoder's output begins with one token
        rules.append(GrammarLogitsProcessor(grammar, words, start_tokens, tokenizer.eos_token_id))
    texts = [""] * len(prompts)
    batches = prompt_batches(bundle, prompts, config.batch_tokens, desc="generate", unit="text")
    for prompt_numbers, ids, mask in batches:
        out = generate_tokens(
            bundle.model,
            (ids, mask),
            rules,
            most=config.max_new_tokens,
            end=tokenizer.eos_token_id,
            filler=tokenizer.pad_token_id,
        )
        for number, tokens_out in zip(prompt_numbers, out, strict=True):
            texts[number] = _text(bundle, tokens_out.tolist())
    return texts


def _text(bundle: Bundle, tokens: list[int]) -> str:
    end = bundle.tokenizer.eos_token_id
    text = tokens[: tokens.index(end)] if end in tokens else tokens
    text = [t for t in text if t != bundle.tokenizer.pad_token_id]
    # item codes are added tokens: skipping "special" ones would drop them
    return bundle.tokenizer.decode(text, skip_special_tokens=False).strip()
