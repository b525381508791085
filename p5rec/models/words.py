"""The words of a rating scale, or yes and no, as a model's answer: how likely each of them is.

B requests, R ratings, T tokens, D width, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from p5rec.decode.beam import beam_search
from p5rec.decode.token_rows import END, TokenRows

from .generate import TokenRowScorer
from .multitask import MultitaskModel
from .ratings import rating_words
from .readers import Reader
from .scorer import prompt_reader


class AnswerWords:
    """Reads prompts once and scores every answer there may be, as a whole, after each of them.

    Args:
        model: in eval mode.
        words: the token ids of each answer, none of them the beginning of another.
    """

    def __init__(self, model: MultitaskModel, words: Sequence[np.ndarray]) -> None:
        table = np.full((len(words), max(map(len, words))), END)
        for row, word in enumerate(words):
            table[row, : len(word)] = word
        self.model, self.rows = model, TokenRows.build(table).to(model.device)

    def read(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The state after each prompt ``(B, D)`` and log-probabilities of the words ``(B, R)``.

        Those are a language model's own, over all tokens: what they leave is the probability of
        an answer that is none of them.

        Args:
            ids, mask: ``(B, T)``, padded on the right.
        """
        reader = prompt_reader(self.model, ids, mask)
        trie = self.rows.trie
        state = reader.read(keep=trie.levels > 1)
        every = len(trie)
        found, scores = beam_search(
            TokenRowScorer(Speaking(self.model, reader, state), self.rows, "vocab"),
            trie,
            every,
            k=every,
            ranks=trie.smallest_below(torch.arange(every, device=ids.device)),
        )
        return state, torch.empty_like(scores).scatter_(1, found, scores)


class RatingWords(AnswerWords):
    """The same for the ratings of a scale.

    Args:
        model: in eval mode.
        tokenizer: its own.
        scale: the ratings, ascending.
    """

    def __init__(
        self, model: MultitaskModel, tokenizer: PreTrainedTokenizerBase, scale: Sequence[float]
    ) -> None:
        super().__init__(model, rating_words(tokenizer, scale))


class Speaking:
    """A reader of states as one of logits, which are made of few states only.

    Args:
        model: in eval mode.
        reader: of its states.
        state: ``(B, D)`` that ``reader`` read after the prompts.
    """

    def __init__(self, model: MultitaskModel, reader: Reader, state: Tensor) -> None:
        self.head, self.reader, self.state = model.causal.get_output_embeddings(), reader, state

    def read(self, *, keep: bool = True) -> Tensor:
        """``(B, V)``."""
        return self._logits(self.state)

    def follow(self, inputs: dict[str, Tensor], parents: Tensor) -> Tensor:
        """``(B, K, V)``."""
        return self._logits(self.reader.follow(inputs, parents))

    def _logits(self, states: Tensor) -> Tensor:
        logits: Tensor = self.head(states)
        return logits
