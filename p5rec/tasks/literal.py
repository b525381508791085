"""Makes data text safe for prompts: one line, and no word that a tokenizer reads as a token.

Titles and reviews are untrusted text. A tokenizer reads some words as special tokens: the end of a
text, the turn of a speaker, the code of an item. This module splits these words in data.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from unicodedata import normalize

TOKEN_START = re.compile(r"<(?=\S)")


def squeeze(text: str) -> str:
    """``text`` on one line, with single spaces."""
    return " ".join(text.split())


class Literal:
    """Splits words that a tokenizer would read as special tokens.

    Item codes and most special tokens have the form ``<...>``: a space after each ``<`` prevents a
    match in any model. Other special tokens (``[INST]``) get a space inside.

    Args:
        words: the tokenizer's special and added tokens.
        folded: the tokenizer normalises case or width before it matches tokens, so variants of the
            tokens are split too.
    """

    def __init__(self, words: Iterable[str] = (), *, folded: bool = False) -> None:
        own = {w.strip() for w in words if w.strip() and not TOKEN_START.search(w)}
        longest = sorted(own, key=lambda word: (-len(word), word))
        flags = re.IGNORECASE if folded else 0
        self._words = re.compile("|".join(map(re.escape, longest)), flags) if own else None
        self._folded = folded

    def __call__(self, text: str) -> str:
        """``text`` on one line, without special tokens."""
        if self._folded and self._reads(normalize("NFKC", text)) and not self._reads(text):
            text = normalize("NFKC", text)
        text = TOKEN_START.sub("< ", squeeze(text))
        while self._words and self._words.search(text):
            text = squeeze(self._words.sub(_split, text))
        return text

    def _reads(self, text: str) -> bool:
        return bool(TOKEN_START.search(text) or (self._words and self._words.search(text)))


def _split(match: re.Match[str]) -> str:
    """Inserts a space into the matched word; a one-letter word becomes empty."""
    word = match[0]
    cut = re.search(r"(?<=\S)(?=\S)", word)
    return f"{word[: cut.start()]} {word[cut.start() :]}" if cut else word[1:]


literal = Literal()  # for text without a specific model
