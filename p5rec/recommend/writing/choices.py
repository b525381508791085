"""The likeliest texts of a closed list, such as the topics that a user likes most.

The score of a text is its log-likelihood after the prompt minus its mean log-likelihood after
neutral prompts, which corrects for texts that are likely anyway. R texts.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from p5rec.core.errors import did_you_mean, input_error
from p5rec.core.examples import Example
from p5rec.core.types import Catalog

from .local import ModelConfig, PromptReader
from .port import Answer, Assignment, Request, Writer

if TYPE_CHECKING:  # a config is read without torch
    from p5rec.models.language import OpenedModel


class Choices(ModelConfig):
    """The likeliest texts of a closed list, the best first, separated by commas."""

    kind: Literal["choices"] = "choices"
    choices: tuple[str, ...] | str
    """The texts; or the name of an item attribute, whose values they are."""
    neutral: tuple[str, ...] = Field(min_length=1)
    """Prompts about nobody in particular; the mean log-likelihoods after them are subtracted."""
    most: int = Field(3, ge=1)
    """Texts in an answer."""

    def open(self, assignment: Assignment) -> Writer:
        """See :class:`.port.GeneratorConfig`."""
        texts = self.choices
        if isinstance(texts, str):
            texts = tuple(values_of(assignment.catalog, texts))
        return ChoicesWriter(self, self.open_model(), texts)


class ChoicesWriter(PromptReader):
    """An opened language model that scores ``texts (R,)``; other arguments as those of its base."""

    def __init__(self, config: Choices, opened: OpenedModel, texts: Sequence[str]) -> None:
        from p5rec.models.ratings import prefix_free_tokens
        from p5rec.models.words import WordScorer

        super().__init__(config, opened)
        self.texts, self.most = texts, config.most
        words = prefix_free_tokens(opened.vocabulary.tokenizer, texts)
        self.read, self.scorer = sum(map(len, words)), WordScorer(opened.model, words)
        neutral = [Request("", Example(prompt, "", "", "")) for prompt in config.neutral]
        self.prior = self.likelihoods(self.tokens(neutral))[0].mean(0)

    def likelihoods(self, prompts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """``(B, R)`` log-likelihoods of the texts after B prompts, and ``(B,)`` seconds."""
        import torch

        from p5rec.models.scorer import prompt_reader
        from p5rec.recommend.batching import prompt_batches

        scores = np.empty((len(prompts), len(self.texts)), dtype=np.float32)
        seconds = np.empty(len(prompts))
        batches = prompt_batches(
            self.opened, prompts, self.batch_tokens, extra=self.read, desc="score", unit="text"
        )
        for numbers, ids, mask in batches:
            started = time.perf_counter()
            with torch.inference_mode():
                reader = prompt_reader(self.opened.model, ids, mask)
                scores[numbers] = self.scorer.read(reader)[1].float().cpu().numpy()
            seconds[numbers] = (time.perf_counter() - started) / len(numbers)
        return scores, seconds

    def write(self, requests: Sequence[Request]) -> list[Answer]:
        """See :class:`.port.Writer`; the tokens read include those of the texts."""
        prompts = self.tokens(requests)
        scores, seconds = self.likelihoods(prompts)
        best = np.argsort(self.prior - scores, axis=1, kind="stable")[:, : self.most]
        return [
            Answer(", ".join(self.texts[n] for n in row), len(ids) + self.read, 0, spent)
            for row, ids, spent in zip(best.tolist(), prompts, seconds.tolist(), strict=True)
        ]


def values_of(catalog: Catalog, attribute: str) -> list[str]:
    """The values of an item attribute, those of most items first.

    Raises:
        UserError: there is no such attribute, or no item has one.
    """
    if attribute not in catalog.attributes:
        raise input_error(
            "choices", "an attribute of the items, or a list", repr(attribute),
            did_you_mean(attribute, catalog.attributes),
        )  # fmt: skip
    counts = Counter(value for own in catalog.values(attribute) for value in own)
    if not counts:
        raise input_error("choices", f"values of {attribute}", "none", "name another attribute")
    return sorted(counts, key=lambda value: (-counts[value], value))
