"""Prompt examples as training rows: the question is read, the answer is learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from transformers import PreTrainedTokenizerBase

from p5rec.core.examples import Example
from p5rec.models.inputs import encode_target, fit_prompt

from .example import IGNORE, TrainingExample


class PromptExamples:
    """Rows of one prompt family.

    Args:
        examples: example ``i`` depends on ``i`` alone.
        tokenizer: the model's.
        max_tokens: of a row; a longer question is made to fit.
        answered_by: ``(R,)`` the example whose answer each question is given; None: its own.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        tokenizer: PreTrainedTokenizerBase,
        max_tokens: int,
        answered_by: np.ndarray | None = None,
    ) -> None:
        self.examples = examples
        self.tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.answered_by = answered_by

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def lengths(self) -> np.ndarray:
        """``(R,)`` equal numbers: rows of a family are near enough in length."""
        return np.full(len(self), self.max_tokens)

    def __getitem__(self, i: int) -> TrainingExample:
        example = self.examples[i]
        if self.answered_by is not None:
            other = self.examples[int(self.answered_by[i])]
            example = replace(example, target=other.target, rating=other.rating)
        answer = encode_target(self.tokenizer, example)
        target = answer[: self.max_tokens // 2]
        question = fit_prompt(self.tokenizer, example, self.max_tokens - len(target))
        if self.answered_by is None and question.target != example.target:
            answer = encode_target(self.tokenizer, replace(example, target=question.target))
            target = answer[: self.max_tokens // 2]
        source, cut = question.ids, question.cut or len(target) < len(answer)
        labels = np.concatenate([np.full(len(source), IGNORE), target])
        tokens, ratings = np.concatenate([source, target]), None
        if example.rating is not None:
            ratings = np.full(len(tokens), np.nan, dtype=np.float32)
            ratings[len(source) - 1] = example.rating  # the question has been read, the answer not
        return TrainingExample(
            tokens, labels, ratings, split=len(source), shortened=question.shortened, cut=cut
        )
