"""Log-probabilities of fixed texts after a prompt: the words of a rating scale, or yes and no.

B requests, R texts, T tokens, D hidden width, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from p5rec.decode.beam import beam_search
from p5rec.decode.token_sequences import END, TokenSequences

from .generate import ItemTokenScorer
from .language import LanguageModel
from .multitask import MultitaskModel
from .ratings import rating_words
from .readers import Reader

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


class WordScorer:
    """Scores a fixed set of texts after each prompt, with one pass over the prompts.

    Args:
        model: in eval mode.
        words: the token ids of each text, none of them a prefix of another.
    """

    def __init__(self, model: LanguageModel, words: Sequence[np.ndarray]) -> None:
        table = np.full((len(words), max(map(len, words))), END)
        for n, word in enumerate(words):
            table[n, : len(word)] = word
        self.model, self.sequences = model, TokenSequences.build(table).to(model.device)

    def read(self, reader: Reader) -> tuple[Tensor, Tensor]:
        """The state after each prompt ``(B, D)`` and log-probabilities of the texts ``(B, R)``.

        They are normalised over all tokens, so the probabilities of the R texts sum to at most 1.

        Args:
            reader: of the prompts' hidden states.
        """
        trie = self.sequences.trie
        state = reader.read(keep=trie.levels > 1)
        n_texts = len(trie)
        order, scores = beam_search(
            ItemTokenScorer(LogitsReader(self.model, reader, state), self.sequences, "vocab"),
            trie,
            n_texts,
            k=n_texts,
            ranks=trie.subtree_min(torch.arange(n_texts, device=state.device)),
        )
        return state, torch.empty_like(scores).scatter_(1, order, scores)


class RatingWordScorer(WordScorer):
    """A :class:`WordScorer` for the ratings of a scale.

    Args:
        model: in eval mode.
        tokenizer: its own.
        scale: the ratings, ascending.
    """

    def __init__(
        self, model: MultitaskModel, tokenizer: PreTrainedTokenizerBase, scale: Sequence[float]
    ) -> None:
        super().__init__(model, rating_words(tokenizer, scale))


class LogitsReader:
    """Wraps a reader of states as a reader of logits, which computes logits of few states only.

    Args:
        model: in eval mode.
        reader: of hidden states.
        state: ``(B, D)``, the output of ``reader`` after the prompts.
    """

    def __init__(self, model: LanguageModel, reader: Reader, state: Tensor) -> None:
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
