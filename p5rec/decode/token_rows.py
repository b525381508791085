"""Items as rows of a model's own tokens, of any length, and the tree they make.

N items, at most L tokens each, V tokens in the vocabulary, C_l different tokens at place l.
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
class TokenRows:
    """Rows of token ids as item codes: a code numbers the tokens that occur at its place.

    Attributes:
        trie: over the codes.
        tokens: L tensors ``(C_l,)`` int64, ascending; the token of each code, -1 where the code
            says that the row has ended.
    """

    trie: Trie
    tokens: tuple[Tensor, ...]

    @classmethod
    def build(cls, rows: np.ndarray) -> TokenRows:
        """Args:
            rows: ``(N, L)`` token ids, -1 after the end of a row.

        Raises:
            UserError: an empty row, two equal ones, or one that is the beginning of another.
        """
        rows = np.asarray(rows)
        ended = rows == END
        if not rows.size or ended[:, 0].any() or (ended[:, :-1] & ~ended[:, 1:]).any():
            raise input_error(
                "item tokens", "rows of token ids, at least one each, -1 only after the end",
                f"an array {rows.shape} with an empty or a broken row", "mend the rows",
            )  # fmt: skip
        levels = [np.unique(column, return_inverse=True) for column in rows.T]
        codes = np.stack([code for _, code in levels], axis=1)
        trie = Trie.build(codes, [len(tokens) for tokens, _ in levels])
        _check_prefixes(trie, rows)
        return cls(trie, tuple(torch.from_numpy(tokens.astype(np.int64)) for tokens, _ in levels))

    def to(self, device: torch.device | str) -> TokenRows:
        """The same on another device."""
        return TokenRows(self.trie.to(device), tuple(t.to(device) for t in self.tokens))

    def log_probs(self, level: int, nodes: Tensor, logits: Tensor, normalisation: str) -> Tensor:
        """Log-probabilities of the next code.

        Args:
            level: l.
            nodes: ``(...)`` at depth l.
            logits: ``(..., V)``.
            normalisation: what they share: ``vocab``, all tokens; ``level``, those of this place;
                ``items``, those that lead to an item from the node.

        Returns:
            ``(..., C_l)`` float32; 0 for the code of a row that has ended.
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

    def walk(self, said: Tensor) -> tuple[Tensor, Tensor]:
        """Where token sequences lead.

        Args:
            said: ``(..., n)``, n at most L; what stands behind the end of an item does not matter.

        Returns:
            ``(...)`` int64, nodes at depth n, and ``(...)`` bool, whether the tokens are the
            beginning of an item; elsewhere the node means nothing.
        """
        nodes = torch.zeros(said.shape[:-1], dtype=torch.int64, device=said.device)
        known = torch.ones_like(nodes, dtype=torch.bool)
        for level in range(said.shape[-1]):
            tokens, codes, word = self.tokens[level], self.trie.codes[level], said[..., level]
            only = codes[self.trie.starts[level][nodes]]  # the end, if it is there, is alone
            code = torch.searchsorted(tokens, word.contiguous()).clamp(max=len(tokens) - 1)
            code = torch.where(tokens[only] == END, only, code)
            nodes = self.trie.descend(level, nodes, code)
            told = (tokens[code] == word) | (tokens[code] == END)
            known &= told & (codes[nodes] == code)
        return nodes, known


def _check_prefixes(trie: Trie, rows: np.ndarray) -> None:
    """A row that has ended leaves its last token no other way on."""
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
                "item tokens", "no row that is the beginning of another",
                f"row {int(one)} at the beginning of row {int(two)}",
                "end every row with a token of its own (the end-of-text token)",
            )  # fmt: skip
