"""A grammar as a transformers ``LogitsProcessor``: a model that writes nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import LogitsProcessor

from .grammar import Grammar


class TokenBytes:
    """The bytes of a tokenizer's tokens.

    Attributes:
        bytes: ``(V, W)`` uint8, filled up with 0.
        lengths: ``(V,)``; 0 for special tokens, which no answer holds.
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
        there = np.arange(self.bytes.shape[1]) < self.lengths[:, None]
        self.bytes[there] = np.frombuffer(b"".join(rows), dtype=np.uint8)


class GrammarLogitsProcessor(LogitsProcessor):
    """Leaves a model only tokens that continue an answer, and its end token where one may end.

    Args:
        grammar: what an answer looks like.
        words: the bytes of its tokenizer's tokens.
        prompt: tokens before the answer (0 where ``generate`` is given embeddings).
        end: the end token.
    """

    def __init__(self, grammar: Grammar, words: TokenBytes, prompt: int, end: int) -> None:
        self.grammar, self.words, self.prompt, self.end = grammar, words, prompt, end
        self.reached: dict[int, np.ndarray] = {}

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """``(M, T)`` tokens so far and ``(M, V)`` scores of the next → ``(M, V)`` scores."""
        may = np.zeros(tuple(scores.shape), dtype=bool)
        for row, said in enumerate(input_ids[:, self.prompt :].tolist()):
            state = self._state(said)
            if state < 0 or self.grammar.ends[state]:
                may[row, self.end] = True
            if state >= 0:
                after = self._after(state)
                may[row, : len(after)] |= after[: may.shape[1]] >= 0
        allowed = torch.from_numpy(may).to(scores.device)
        return scores.masked_fill(~allowed, -torch.inf)

    def _state(self, said: list[int]) -> int:
        """Where tokens lead; -1 once the answer has ended."""
        state = 0
        for token in said:
            if state < 0 or token == self.end:
                return -1
            state = int(self._after(state)[token])
        return state

    def _after(self, state: int) -> np.ndarray:
        if state not in self.reached:
            words = self.words
            self.reached[state] = self.grammar.after(state, words.bytes, words.lengths)
        return self.reached[state]


def _letters() -> dict[str, int]:
    """The letters by which byte-level tokenizers write bytes (Radford et al. 2019): printable
    ones as themselves, the others from 256 on."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in shown]
    return {chr(b): b for b in shown} | {chr(256 + n): byte for n, byte in enumerate(hidden)}


def _pieces(name: str) -> bytes:
    """The bytes of a SentencePiece token: ``▁`` is a space, ``<0x0A>`` a byte."""
    if len(name) == 6 and name.startswith("<0x") and name.endswith(">"):
        return bytes([int(name[3:5], 16)])
    return name.replace("▁", " ").encode()
