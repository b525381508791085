"""Rating sequences: histories as tokens in which items and the words of their ratings alternate.

As in Zhai et al. 2024 (*Actions speak louder than words*, section 2.2), items and actions
alternate. The state at an item depends on the item and all earlier ratings, so one forward pass
over a history predicts all of its ratings.

Rating statistics of the item and the user may precede each rating, as in M6-Rec (Cui et al. 2022,
arXiv:2205.08084).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from p5rec.core.types import ranges

from .config import RATING_SEQUENCE
from .inputs import CodeLayout

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TASK = RATING_SEQUENCE  # the task that trains on rating sequences


def rating_words(tokenizer: PreTrainedTokenizerBase, scale: Sequence[float]) -> list[np.ndarray]:
    """The token ids of each rating as text, none of them a prefix of another.

    A rating that is a prefix of another (3 and 3.5) is followed by the end token.
    """
    return prefix_free_tokens(tokenizer, [format(rating, "g") for rating in scale])


def prefix_free_tokens(
    tokenizer: PreTrainedTokenizerBase, words: Sequence[str]
) -> list[np.ndarray]:
    """The token ids of each of ``words``, none of them a prefix of another."""
    if not words:
        return []
    ids = [tuple(each) for each in tokenizer(list(words), add_special_tokens=False)["input_ids"]]
    prefixes = {each[:n] for each in ids for n in range(1, len(each))}
    end = tokenizer.eos_token_id
    return [np.array([*each, end] if each in prefixes else each, dtype=np.int64) for each in ids]


class RatingSequence(NamedTuple):
    """A rated history as tokens.

    Attributes:
        tokens: ``(T,)`` int64.
        ends: ``(n,)`` index of the last token before each item's rating.
        words: ``(T,)`` bool, the tokens of ratings.
    """

    tokens: np.ndarray
    ends: np.ndarray
    words: np.ndarray


class RatedHistories:
    """Converts rated histories to rating sequences.

    Args:
        layout: the codes of the items.
        tokenizer: of the model, for the words of ratings.
        scale: the distinct ratings, ascending; any other rating is rounded to the nearest.
        bos: the start token of every sequence.
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
        # the last entry, no tokens, is for items without a rating
        words = [*rating_words(tokenizer, scale), np.empty(0, dtype=np.int64)]
        self.lengths = np.array([len(word) for word in words])
        self.starts, self.words = np.cumsum(self.lengths) - self.lengths, np.concatenate(words)

    def write(
        self, items: np.ndarray, ratings: np.ndarray, statistics: np.ndarray | None = None
    ) -> RatingSequence:
        """The rating sequence of one history, oldest first: item, statistics, rating, ...

        Args:
            items: ``(n,)`` items.
            ratings: ``(n,)``, NaN for items without a rating.
            statistics: ``(n, 2)`` mean and number of each item's ratings. They are written before
                each rating, with the mean of the user's earlier ratings; None: no statistics.
        """
        index, rated = np.full(len(ratings), len(self.scale)), ~np.isnan(ratings)
        if rated.any():
            index[rated] = np.abs(self.scale - ratings[rated, None]).argmin(1)
        texts = [] if statistics is None else self._statistics(ratings, statistics)
        levels, n_words = self.layout.codes.levels, self.lengths[index]
        between = np.array([len(each) for each in texts]) if texts else np.zeros_like(n_words)
        lengths = levels + between + n_words
        starts = 1 + np.cumsum(lengths) - lengths
        ends = starts + levels + between - 1
        tokens = np.full(1 + lengths.sum(), self.bos, dtype=np.int64)
        tokens[starts[:, None] + np.arange(levels)] = self.layout.items[items]
        if texts:
            tokens[ranges(starts + levels, between)[0]] = np.concatenate(texts)
        words = np.zeros(len(tokens), dtype=bool)
        words[ranges(ends + 1, n_words)[0]] = True
        tokens[words] = self.words[ranges(self.starts[index], n_words)[0]]
        return RatingSequence(tokens, ends, words)

    def _statistics(self, ratings: np.ndarray, statistics: np.ndarray) -> list[np.ndarray]:
        """The tokens of the statistics before each rating."""
        rated = np.isfinite(ratings)
        count = np.cumsum(rated) - rated
        total = np.cumsum(np.nan_to_num(ratings)) - np.nan_to_num(ratings)
        texts = [
            f" mean {mean:.2f} of {number:.0f}, user {total[n] / count[n]:.1f}: "
            if count[n]
            else f" mean {mean:.2f} of {number:.0f}: "
            for n, (mean, number) in enumerate(statistics)
        ]
        ids = self.tokenizer(texts, add_special_tokens=False)["input_ids"] if texts else []
        return [np.asarray(each, dtype=np.int64) for each in ids]
