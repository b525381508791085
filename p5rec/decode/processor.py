"""The item tree as a transformers ``LogitsProcessor``: ``generate`` yields items alone."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import LogitsProcessor

from .token_sequences import END, TokenSequences


class ItemLogitsProcessor(LogitsProcessor):
    """Restricts a model to tokens that continue an item, then to the end token.

    If all items have equally many tokens, set ``max_new_tokens`` to this number and
    ``length_penalty=0``: the scores then equal those of :func:`p5rec.decode.beam.beam_search`.
    ``prefix_allowed_tokens_fn`` calls a Python function per beam; this processor handles all beams
    at once.

    Args:
        sequences: the token sequences of the items.
        prompt: number of prompt tokens (``input_ids.shape[1]``, or 1 for an encoder-decoder).
        end: the end token.
        normalisation: see ``TokenSequences.log_probs``.
    """

    def __init__(
        self, sequences: TokenSequences, prompt: int, end: int, normalisation: str = "vocab"
    ) -> None:
        self.sequences, self.prompt = sequences, prompt
        self.end, self.normalisation = end, normalisation

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """``(M, T)`` tokens so far and ``(M, V)`` scores of the next → ``(M, V)`` scores."""
        if self.sequences.trie.leaf_item.device != scores.device:
            self.sequences = self.sequences.to(scores.device)
        tokens = input_ids[:, self.prompt :]
        out = torch.full_like(scores, -torch.inf)
        level, trie = tokens.shape[1], self.sequences.trie
        if level >= trie.levels:
            out[:, self.end] = 0
            return out
        nodes, known = self.sequences.walk(tokens)
        logs = self.sequences.log_probs(level, nodes, scores, self.normalisation)
        child, exists = trie.children(level, torch.where(known, nodes, 0))
        codes = trie.codes[level][child]
        following = self.sequences.tokens[level][codes]
        following = torch.where(following == END, self.end, following)
        allowed = exists & known[:, None]
        log_probs = torch.where(allowed, logs.gather(1, codes), -torch.inf).to(out.dtype)
        return out.scatter_reduce(1, following, log_probs, "amax")
