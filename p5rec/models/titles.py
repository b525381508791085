"""Item titles as token sequences, for beam search over titles.

N items, L tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from p5rec.decode.token_sequences import END, TokenSequences

from .generate import ItemTokenScorer
from .multitask import MultitaskModel
from .readers import Reader
from .words import LogitsReader

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def title_tokens(tokenizer: PreTrainedTokenizerBase, titles: Sequence[str]) -> TokenSequences:
    """The shortest unambiguous token prefix of each of N distinct ``titles``.

    With the normalisation ``items`` the tokens after such a prefix are certain, so it has the same
    score as the full title and its end token.
    """
    tokens = tokenizer(list(titles), add_special_tokens=False)["input_ids"]
    sequences = [[*ids, tokenizer.eos_token_id] for ids in tokens]
    lengths = np.array([len(sequence) for sequence in sequences])
    table = np.full((len(sequences), lengths.max()), END)
    table[np.arange(table.shape[1]) < lengths[:, None]] = [
        token for sequence in sequences for token in sequence
    ]
    order = np.lexsort(table.T[::-1])
    ranked = table[order]
    shared = (ranked[1:] == ranked[:-1]).cumprod(axis=1).sum(axis=1)  # with the next title
    prefix = np.maximum(np.append(0, shared), np.append(shared, 0)) + 1
    ranked[np.arange(table.shape[1]) >= prefix[:, None]] = END
    table[order] = ranked
    return TokenSequences.build(table[:, : prefix.max()])


def title_scorer(model: MultitaskModel, titles: TokenSequences, reader: Reader) -> ItemTokenScorer:
    """A scorer of ``titles`` after B prompts.

    Args:
        model: in eval mode.
        titles: see :func:`title_tokens`.
        reader: of the prompts' hidden states.
    """
    return ItemTokenScorer(LogitsReader(model, reader, reader.read()), titles, "items")
