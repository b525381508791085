"""Items as token sequences of any length, and their tree.

N items, at most L tokens each, V tokens in the vocabulary, C_l different tokens at position l.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from p5rec.core.errors import input_error

from .trie import Trie

END = -1


@dataclass(frozen=True, eq=False)
class TokenSequences:
    """Token sequences as item codes: the codes of a level number the tokens at this position.

    Attributes:
        trie: over the codes.
        tokens: L tensors ``(C_l,)`` int64, ascending; the token of each code; -1 for the code
            of an ended sequence.
    """

    trie: Trie
    tokens: tuple[Tensor, ...]

    @classmethod
    def build(cls, rows: np.ndarray) -> TokenSequences:
        """Args:
            rows: ``(N, L)`` token ids, -1 after the end of a sequence.

        Raises:
            UserError: an empty sequence, two equal sequences, or one that is a prefix of another.
        """
        rows = np.asarray(rows)
        ended = rows == END
        if not rows.size or ended[:, 0].any() or (ended[:, :-1] & ~ended[:, 1:]).any():
            raise input_error(
                "item tokens", "token sequences of at least one id, -1 only after the end",
                f"an array {rows.shape} with an empty or a broken row", "fix the rows",
            )  # fmt: skip
        levels = [np.unique(column, return_inverse=True) for column in rows.T]
        codes = np.stack([code for _, code in levels], axis=1)
        trie = Trie.build(codes, [len(tokens) for tokens, _ in levels])
        _check_prefixes(trie, rows)
        return cls(trie, tuple(torch.from_numpy(tokens.astype(np.int64)) for tokens, _ in levels))

    def to(self, device: torch.device | str) -> TokenSequences:
        """The same on another device."""
        return TokenSequences(self.trie.to(device), tuple(t.to(device) for t in self.tokens))

    def log_probs(self, level: int, nodes: Tensor, logits: Tensor, normalisation: str) -> Tensor:
        """Log-probabilities of the next code.

        Args:
            level: l.
            nodes: ``(...)`` at depth l.
            logits: ``(..., V)``.
            normalisation: the tokens that share the probability: ``vocab``: all tokens; ``level``:
                the tokens at this position; ``items``: the tokens that lead to an item.

        Returns:
            ``(..., C_l)`` float32; 0 for the code of an ended sequence.
        """
        tokens = self.tokens[level]
        logs = logits.float()
        if normalisation == "vocab":
            logs = logs.log_softmax(-1)
        logs = logs[..., tokens.clamp(min=0)]
        if normalisation == "items":
            logs = self.trie.log_softmax(level, nodes, logs)
        elif normalisation == "level":
            logs = logs - logs.masked_fill(tokens == END, -torch.inf).logsumexp(-1, keepdim=True)
        return torch.where(tokens == END, 0.0, logs)

    def walk(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The nodes that token sequences lead to.

        Args:
            tokens: ``(..., n)``, n at most L; tokens after the end of an item are ignored.

        Returns:
            ``(...)`` int64, nodes at depth n, and ``(...)`` bool, whether the tokens are a prefix
            of an item; other nodes are meaningless.
        """
        nodes = torch.zeros(tokens.shape[:-1], dtype=torch.int64, device=tokens.device)
        known = torch.ones_like(nodes, dtype=torch.bool)
        for level in range(tokens.shape[-1]):
            vocabulary, codes = self.tokens[level], self.trie.codes[level]
            token = tokens[..., level].contiguous()
            first = codes[self.trie.starts[level][nodes]]  # an end code is an only child
            code = torch.searchsorted(vocabulary, token).clamp(max=len(vocabulary) - 1)
            code = torch.where(vocabulary[first] == END, first, code)
            nodes = self.trie.descend(level, nodes, code)
            matches = (vocabulary[code] == token) | (vocabulary[code] == END)
            known &= matches & (codes[nodes] == code)
        return nodes, known


def _check_prefixes(trie: Trie, rows: np.ndarray) -> None:
    """Checks that no sequence is a prefix of another: an end code must be an only child."""
    for level in range(1, trie.levels):
        if not (rows[:, level] == END).any():
            continue
        starts = trie.starts[level]  # the end sorts before every token
        first, several = starts[:-1], starts.diff() > 1
        leaf = trie.leaf_starts[level + 1][first]
        ends = torch.from_numpy(rows)[trie.leaf_item[leaf], level] == END
        if (bad := several & ends).any():
            node = int(bad.nonzero()[0, 0])
            one = trie.leaf_item[trie.leaf_starts[level][node]]
            two = trie.leaf_item[trie.leaf_starts[level][node] + 1]
            raise input_error(
                "item tokens", "no row that is a prefix of another",
                f"row {int(one)} as a prefix of row {int(two)}",
                "end every row with a token of its own (the end-of-text token)",
            )  # fmt: skip
