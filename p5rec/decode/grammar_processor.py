"""A grammar as a transformers ``LogitsProcessor``: it restricts generated text to the grammar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor

from .grammar import Grammar


class TokenBytes:
    """The bytes of a tokenizer's tokens.

    Attributes:
        bytes: ``(V, W)`` uint8, padded with 0.
        lengths: ``(V,)``; 0 for special tokens, which never occur in generated text.
    """

    def __init__(self, tokenizer: Any, vocabulary: int) -> None:
        names = tokenizer.convert_ids_to_tokens(list(range(min(vocabulary, len(tokenizer)))))
        special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
        letters = _letters()
        by_letters = all(
            set(name) <= letters.keys() for n, name in enumerate(names) if n not in special
        )
        rows = [
            b""
            if n in special
            else bytes(letters[c] for c in name)
            if by_letters
            else _pieces(name)
            for n, name in enumerate(names)
        ]
        rows += [b""] * (vocabulary - len(rows))
        self.lengths = np.array([len(row) for row in rows])
        self.bytes = np.zeros((len(rows), max(1, int(self.lengths.max()))), dtype=np.uint8)
        valid = np.arange(self.bytes.shape[1]) < self.lengths[:, None]
        self.bytes[valid] = np.frombuffer(b"".join(rows), dtype=np.uint8)


class GrammarLogitsProcessor(LogitsProcessor):
    """Restricts a model to tokens that continue the grammar, and to the end token at its ends.

    Args:
        grammar: the grammar of the texts, or of each of M texts.
        words: the bytes of the tokens.
        prompt: number of prompt tokens; 0 if ``generate`` gets embeddings.
        end: the end token.
    """

    def __init__(
        self, grammar: Grammar | Sequence[Grammar], words: TokenBytes, prompt: int, end: int
    ) -> None:
        self.grammar, self.words, self.prompt, self.end = grammar, words, prompt, end
        self.reached: dict[tuple[int, int], np.ndarray] = {}  # by the grammar's id and the state

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """``(M, T)`` tokens so far and ``(M, V)`` scores of the next → ``(M, V)`` scores."""
        mask = np.zeros(tuple(scores.shape), dtype=bool)
        for row, tokens in enumerate(input_ids[:, self.prompt :].tolist()):
            grammar = self.grammar if isinstance(self.grammar, Grammar) else self.grammar[row]
            state = self._state(grammar, tokens)
            if state < 0 or grammar.ends[state]:
                mask[row, self.end] = True
            if state >= 0:
                after = self._after(grammar, state)
                mask[row, : len(after)] |= after[: mask.shape[1]] >= 0
        allowed = torch.from_numpy(mask).to(scores.device)
        return scores.masked_fill(~allowed, -torch.inf)

    def _state(self, grammar: Grammar, tokens: list[int]) -> int:
        """The state after ``tokens``; -1 after the end token."""
        state = 0
        for token in tokens:
            if state < 0 or token == self.end:
                return -1
            state = int(self._after(grammar, state)[token])
        return state

    def _after(self, grammar: Grammar, state: int) -> np.ndarray:
        key = (id(grammar), state)
        if key not in self.reached:
            words = self.words
            self.reached[key] = grammar.after(state, words.bytes, words.lengths)
        return self.reached[key]


def _letters() -> dict[str, int]:
    """The letters of bytes in byte-level tokenizers (Radford et al. 2019): printable bytes stay,
    other bytes become letters from 256 on."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    other = [byte for byte in range(256) if byte not in printable]
    return {chr(b): b for b in printable} | {chr(256 + n): byte for n, byte in enumerate(other)}


def _pieces(name: str) -> bytes:
    """The bytes of a SentencePiece token: ``▁`` is a space, ``<0x0A>`` a byte."""
    if len(name) == 6 and name.startswith("<0x") and name.endswith(">"):
        return bytes([int(name[3:5], 16)])
    return name.replace("▁", " ").encode()
