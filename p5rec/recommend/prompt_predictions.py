"""A trained model's predictions for prompts: ranked items, and generated text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from p5rec.core.examples import Example
from p5rec.decode.allowed import Allowed
from p5rec.decode.grammar import Grammar
from p5rec.decode.token_sequences import TokenSequences
from p5rec.models.bundle import Bundle
from p5rec.models.inputs import PromptTokens, fit_prompt
from p5rec.models.point_adapter import Vectors

from .config import DecodeConfig
from .generation import generate
from .prompt_ranking import rank_for_prompts
from .tables import RankingTables


def fit_prompts(bundle: Bundle, examples: Sequence[Example]) -> list[PromptTokens]:
    """The prompts of B examples, each shortened to the longest input of the model's training.

    The events before a prompt, if it has any, are read as a sequence before it.
    """
    limit, prompts, points = bundle.settings.max_tokens, [], bundle.settings.points
    for example in examples:
        prompt = fit_prompt(
            bundle.tokenizer, example, limit, 1 if points is None else points.tokens
        )
        if example.past is not None:
            prompt = prompt._replace(ids=bundle.continued(example.past, prompt.ids))
        prompts.append(prompt)
    return prompts


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


def generate_texts(
    bundle: Bundle,
    examples: Sequence[Example],
    config: DecodeConfig,
    grammar: Grammar | None = None,
) -> list[str]:
    """B texts for the prompts of ``examples`` (see :func:`.generation.generate`)."""
    prompts = fit_prompts(bundle, examples)
    vectors = [
        None if each.soft is None or each.points is None else Vectors(each.soft, each.points)
        for each in prompts
    ]
    written = generate(
        bundle,
        [each.ids for each in prompts],
        grammar,
        max_new_tokens=config.max_new_tokens,
        batch_tokens=config.batch_tokens,
        vectors=vectors if any(vectors) else (),
    )
    return [each.text for each in written]
