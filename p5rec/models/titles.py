"""Items by the words of their names: the tree in which a language model looks for them.

N items, L tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from p5rec.decode.token_rows import END, TokenRows

from .generate import TokenRowScorer
from .multitask import MultitaskModel
from .scorer import prompt_reader
from .words import Speaking


def name_rows(tokenizer: PreTrainedTokenizerBase, names: Sequence[str]) -> TokenRows:
    """The N different ``names`` in tokens, each as far as it takes to tell it from the others.

    Where probabilities are shared among the tokens that lead to an item, what follows is certain:
    the short rows get the scores of the whole ones (and of the token that ends them).
    """
    tokens = tokenizer(list(names), add_special_tokens=False)["input_ids"]
    rows = [[*ids, tokenizer.eos_token_id] for ids in tokens]
    table = np.full((len(rows), max(map(len, rows))), END)
    table[np.arange(table.shape[1]) < np.array([len(row) for row in rows])[:, None]] = [
        token for row in rows for token in row
    ]
    order = np.lexsort(table.T[::-1])
    ranked = table[order]
    shared = (ranked[1:] == ranked[:-1]).cumprod(axis=1).sum(axis=1)  # with the next row
    kept = np.maximum(np.append(0, shared), np.append(shared, 0)) + 1
    ranked[np.arange(table.shape[1]) >= kept[:, None]] = END
    table[order] = ranked
    return TokenRows.build(table[:, : kept.max()])


def name_scorer(
    model: MultitaskModel, rows: TokenRows, input_ids: Tensor, attention_mask: Tensor
) -> TokenRowScorer:
    """What ``model`` says of the names in ``rows`` after B prompts.

    Args:
        model: in eval mode.
        input_ids, attention_mask: ``(B, T)``, padded on the right.
    """
    reader = prompt_reader(model, input_ids, attention_mask)
    return TokenRowScorer(Speaking(model, reader, reader.read()), rows, "items")
