"""The item tree as a transformers ``LogitsProcessor``: any ``generate`` names only real items."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import LogitsProcessor

from .token_rows import END, TokenRows


class ItemLogitsProcessor(LogitsProcessor):
    """Leaves a model only tokens that continue an item, and then its end token.

    For searches in which every row is as long as it will be (no end token in between) set
    ``max_new_tokens`` to the longest row and ``length_penalty=0``: scores are then those of
    :func:`p5rec.decode.beam.beam_search`. In place of the Python function that
    ``prefix_allowed_tokens_fn`` calls for every beam it walks all beams down the tree at once.

    Args:
        rows: the items' tokens.
        prompt: tokens before the answer (``input_ids.shape[1]``, or 1 for an encoder-decoder).
        end: what is said after an item.
        normalisation: see ``TokenRows.log_probs``.
    """

    def __init__(
        self, rows: TokenRows, prompt: int, end: int, normalisation: str = "vocab"
    ) -> None:
        self.rows, self.prompt, self.end, self.normalisation = rows, prompt, end, normalisation

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """``(M, T)`` tokens so far and ``(M, V)`` scores of the next → ``(M, V)`` scores."""
        if self.rows.trie.leaf_item.device != scores.device:
            self.rows = self.rows.to(scores.device)
        said = input_ids[:, self.prompt :]
        out = torch.full_like(scores, -torch.inf)
        level, trie = said.shape[1], self.rows.trie
        if level >= trie.levels:
            out[:, self.end] = 0
            return out
        nodes, known = self.rows.walk(said)
        logs = self.rows.log_probs(level, nodes, scores, self.normalisation)
        child, exists = trie.children(level, torch.where(known, nodes, 0))
        codes = trie.codes[level][child]
        tokens = self.rows.tokens[level][codes]
        tokens = torch.where(tokens == END, self.end, tokens)
        may = exists & known[:, None]
        gained = torch.where(may, logs.gather(1, codes), -torch.inf).to(out.dtype)
        return out.scatter_reduce(1, tokens, gained, "amax")
