"""Histories with their ratings as token sequences: an item, the words of its rating, the next.

The order of Zhai et al. 2024 (*Actions speak louder than words*, section 2.2), where an item and
what the user did with it take turns: what stands at an item has seen the item and every rating
before, so one pass over a history predicts all of its ratings.

Between an item and its rating there may be a few words of what is known of both sides, statistics
in the prompt as in M6-Rec (Cui et al. 2022, arXiv:2205.08084).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from transformers import PreTrainedTokenizerBase

from p5rec.core.types import runs

from .config import RATING_SEQUENCE
from .inputs import CodeLayout

TASK = RATING_SEQUENCE  # the task that teaches them


def rating_words(tokenizer: PreTrainedTokenizerBase, scale: Sequence[float]) -> list[np.ndarray]:
    """The token ids of each rating as an answer, none of them the beginning of another.

    A rating that begins another (3 and 3.5) is closed by the end token.
    """
    return answer_words(tokenizer, [format(rating, "g") for rating in scale])


def answer_words(tokenizer: PreTrainedTokenizerBase, words: Sequence[str]) -> list[np.ndarray]:
    """The token ids of each of ``words``, none of them the beginning of another."""
    ids = [tuple(each) for each in tokenizer(list(words), add_special_tokens=False)["input_ids"]]
    begun = {each[:n] for each in ids for n in range(1, len(each))}
    end = tokenizer.eos_token_id
    return [np.array([*each, end] if each in begun else each, dtype=np.int64) for each in ids]


class Written(NamedTuple):
    """A history as tokens.

    Attributes:
        tokens: ``(T,)`` int64.
        ends: ``(n,)`` where what stands before each item's rating ends.
        words: ``(T,)`` bool, the words of ratings.
    """

    tokens: np.ndarray
    ends: np.ndarray
    words: np.ndarray


class RatedHistories:
    """Writes histories of items and ratings as tokens.

    Args:
        layout: the codes of the items.
        tokenizer: the model's; it says how a rating is written.
        scale: the ratings that occur, ascending; any other is written as the nearest of them.
        bos: the token that opens every sequence.
    """

    def __init__(
        self,
        layout: CodeLayout,
        tokenizer: PreTrainedTokenizerBase,
        scale: Sequence[float],
        bos: int,
    ) -> None:
        self.layout, self.tokenizer, self.bos = layout, tokenizer, bos
        self.scale = np.asarray(scale, dtype=np.float32)
        # what is not rated is written as nothing, the last entry
        words = [*rating_words(tokenizer, scale), np.empty(0, dtype=np.int64)]
        self.lengths = np.array([len(word) for word in words])
        self.starts, self.words = np.cumsum(self.lengths) - self.lengths, np.concatenate(words)

    def write(
        self, items: np.ndarray, ratings: np.ndarray, known: np.ndarray | None = None
    ) -> Written:
        """One history, oldest first: an item, what is known of it, its rating.

        Args:
            items: ``(n,)`` item rows.
            ratings: ``(n,)``, NaN where an item has none.
            known: ``(n, 2)`` mean and number of each item's ratings, to be told with the mean of
                the user's ratings so far; None: nothing is told.
        """
        near = np.abs(self.scale - ratings[:, None]).argmin(1)
        kind = np.where(np.isnan(ratings), len(self.scale), near)
        told = [] if known is None else self._told(ratings, known)
        levels, said = self.layout.codes.levels, self.lengths[kind]
        between = np.array([len(each) for each in told]) if told else np.zeros_like(said)
        whole = levels + between + said
        begins = 1 + np.cumsum(whole) - whole
        ends = begins + levels + between - 1
        tokens = np.full(1 + whole.sum(), self.bos, dtype=np.int64)
        tokens[begins[:, None] + np.arange(levels)] = self.layout.items[items]
        if told:
            tokens[runs(begins + levels, between)[0]] = np.concatenate(told)
        words = np.zeros(len(tokens), dtype=bool)
        words[runs(ends + 1, said)[0]] = True
        tokens[words] = self.words[runs(self.starts[kind], said)[0]]
        return Written(tokens, ends, words)

    def _told(self, ratings: np.ndarray, known: np.ndarray) -> list[np.ndarray]:
        """The tokens of what is known before each rating."""
        there = np.isfinite(ratings)
        count = np.cumsum(there) - there
        total = np.cumsum(np.nan_to_num(ratings)) - np.nan_to_num(ratings)
        texts = [
            f" mean {mean:.2f} of {number:.0f}, user {total[n] / count[n]:.1f}: "
            if count[n]
            else f" mean {mean:.2f} of {number:.0f}: "
            for n, (mean, number) in enumerate(known)
        ]
        ids = self.tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
        return [np.asarray(each, dtype=np.int64) for each in ids]
