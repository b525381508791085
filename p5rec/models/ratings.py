"""Histories with their ratings as token sequences: an item, the words of its rating, the next.

The order of Zhai et al. 2024 (*Actions speak louder than words*, section 2.2), where an item and
what the user did with it take turns: what stands at an item has seen the item and every rating
before, so one pass over a history predicts all of its ratings.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from transformers import PreTrainedTokenizerBase

from .layout import CodeLayout

TASK = "dense-rating"  # the task that teaches them


def rating_words(tokenizer: PreTrainedTokenizerBase, scale: Sequence[float]) -> list[np.ndarray]:
    """The token ids of each rating as an answer, none of them the beginning of another.

    A rating that begins another (3 and 3.5) is closed by the end token.
    """
    words = [format(rating, "g") for rating in scale]
    ids = [tuple(each) for each in tokenizer(words, add_special_tokens=False)["input_ids"]]
    begun = {each[:n] for each in ids for n in range(1, len(each))}
    end = tokenizer.eos_token_id
    return [np.array([*each, end] if each in begun else each, dtype=np.int64) for each in ids]


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
        words = rating_words(tokenizer, scale)
        self.layout, self.bos = layout, bos
        self.scale = np.asarray(scale, dtype=np.float32)
        # what is not rated is written as nothing, the last entry
        self.lengths = np.array([*map(len, words), 0])
        self.starts = np.concatenate([[0], np.cumsum(self.lengths)[:-1]])
        self.words = np.concatenate(words)

    def write(self, items: np.ndarray, ratings: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """One history, oldest first.

        Args:
            items: ``(n,)`` item rows.
            ratings: ``(n,)``, NaN where an item has none.

        Returns:
            Token ids ``(T,)`` int64, and ``(n,)`` where each item's last code stands.
        """
        near = np.abs(self.scale - ratings[:, None]).argmin(1)
        kind = np.where(np.isnan(ratings), len(self.scale), near)
        levels, said = self.layout.codes.levels, self.lengths[kind]
        begins = 1 + np.cumsum(levels + said) - (levels + said)
        tokens = np.empty(1 + len(items) * levels + said.sum(), dtype=np.int64)
        tokens[0] = self.bos
        tokens[begins[:, None] + np.arange(levels)] = self.layout.items[items]
        nth = np.arange(said.sum()) - np.repeat(np.cumsum(said) - said, said)
        place = np.repeat(begins + levels, said) + nth
        tokens[place] = self.words[np.repeat(self.starts[kind], said) + nth]
        return tokens, begins + levels - 1
