"""Titles as the lines of a list, and a model that writes such lists.

N titles, B requests, K beams, D hidden width, V vocabulary size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from p5rec.decode.token_sequences import END, TokenSequences
from p5rec.decode.token_tree import TokenTree

from .inputs import pad
from .language import LanguageModel
from .readers import Reader

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

LINE = "- {}\n"  # as prompts write choices


def title_lines(
    tokenizer: PreTrainedTokenizerBase, titles: Sequence[str], tie: Tensor | None = None
) -> TokenTree:
    """The tree of N different titles, each as one line of a list.

    A tokenizer with a token for the end of a line gives a list the tokens of its lines.

    Args:
        tie: see :meth:`p5rec.decode.token_tree.TokenTree.of`.

    Raises:
        UserError: two titles are equal, or one is the beginning of another for a tokenizer without
            ends of lines.
    """
    lines = [LINE.format(title) for title in titles]
    ids = tokenizer(lines, add_special_tokens=False)["input_ids"]
    table, _ = pad([np.asarray(line, dtype=np.int64) for line in ids], END)
    return TokenTree.of(TokenSequences.build(table.numpy()), tie)


class LineScorer:
    """A language model as the scorer of lists (:class:`p5rec.decode.distinct_lists.TextScorer`).

    It computes logits of those beams alone that have a choice.

    Args:
        model: in eval mode.
        reader: of the hidden states of B prompts.
    """

    def __init__(self, model: LanguageModel, reader: Reader) -> None:
        self.head, self.reader = model.causal.get_output_embeddings(), reader
        self.states = reader.read()[:, None]  # (B, K, D)

    def logits(self, rows: Tensor) -> Tensor:
        """``(n, V)``."""
        logits: Tensor = self.head(self.states[rows])
        return logits

    def step(self, tokens: Tensor, parents: Tensor) -> None:
        """Reads ``tokens (B, K)``."""
        self.states = self.reader.follow({"input_ids": tokens}, parents)
