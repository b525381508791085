"""Prompts as training examples: the loss is computed on the target text only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from transformers import PreTrainedTokenizerBase

from p5rec.core.examples import Example
from p5rec.models.inputs import encode_target, fit_prompt

from .example import IGNORE, TrainingExample


class PromptExamples:
    """Training examples of one prompt family.

    Args:
        examples: example ``i`` depends on ``i`` only.
        tokenizer: of the model.
        max_tokens: of an example; a longer prompt is shortened.
        target_of: ``(R,)`` the example whose target each prompt has (permutation control); None:
            its own.
        soft_tokens: tokens that stand for each vector of a prompt.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        tokenizer: PreTrainedTokenizerBase,
        max_tokens: int,
        target_of: np.ndarray | None = None,
        soft_tokens: int = 1,
    ) -> None:
        self.examples = examples
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.target_of = target_of
        self.soft_tokens = soft_tokens

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def lengths(self) -> np.ndarray:
        """``(R,)`` all equal: examples of a family have similar lengths."""
        return np.full(len(self), self.max_tokens)

    def __getitem__(self, i: int) -> TrainingExample:
        example = self.examples[i]
        if self.target_of is not None:
            other = self.examples[int(self.target_of[i])]
            example = replace(example, target=other.target, rating=other.rating)
        full_target = encode_target(self.tokenizer, example)
        target = full_target[: self.max_tokens // 2]
        prompt = fit_prompt(
            self.tokenizer, example, self.max_tokens - len(target), self.soft_tokens
        )
        if self.target_of is None and prompt.target != example.target:
            full_target = encode_target(self.tokenizer, replace(example, target=prompt.target))
            target = full_target[: self.max_tokens // 2]
        source, cut = prompt.ids, prompt.cut or len(target) < len(full_target)
        labels = np.concatenate([np.full(len(source), IGNORE), target])
        tokens, ratings = np.concatenate([source, target]), None
        if example.rating is not None:
            ratings = np.full(len(tokens), np.nan, dtype=np.float32)
            ratings[len(source) - 1] = example.rating  # at the last token before the target
        soft = prompt.soft
        if soft is not None:
            soft = np.concatenate([soft, np.full(len(target), -1)])
        return TrainingExample(
            tokens, labels, ratings, split=len(source), soft=soft, points=prompt.points,
            shortened=prompt.shortened, cut=cut,
        )  # fmt: skip
