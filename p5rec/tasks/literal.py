"""Data text as it may stand in a prompt: on one line, and no word of it reads as a token.

Titles and reviews come from anybody. A tokenizer takes some words for what they name (the end of a
text, the turn of a speaker, an item's code), so in data none of them may be whole.
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
    """Takes words apart that a model's tokenizer would take for one of its own tokens.

    Item codes and most marks are written ``<...>``: whatever the model, a space after each ``<``
    keeps data from being taken for one. Other words (``[INST]``) get a space inside.

    Args:
        words: the tokenizer's special and added tokens.
        folded: whether it looks for some of them in a text whose letters have been made alike
            (case, width), so that words like them must come apart too.
    """

    def __init__(self, words: Iterable[str] = (), *, folded: bool = False) -> None:
        own = {w.strip() for w in words if w.strip() and not TOKEN_START.search(w)}
        longest = sorted(own, key=lambda word: (-len(word), word))
        flags = re.IGNORECASE if folded else 0
        self._words = re.compile("|".join(map(re.escape, longest)), flags) if own else None
        self._folded = folded

    def __call__(self, text: str) -> str:
        """``text`` on one line, without a word that reads as a token."""
        if self._folded and self._reads(normalize("NFKC", text)) and not self._reads(text):
            text = normalize("NFKC", text)
        text = TOKEN_START.sub("< ", squeeze(text))
        while self._words and self._words.search(text):
            text = squeeze(self._words.sub(_apart, text))
        return text

    def _reads(self, text: str) -> bool:
        return bool(TOKEN_START.search(text) or (self._words and self._words.search(text)))


def _apart(found: re.Match[str]) -> str:
    """A word with a space between two of its letters; without one where it has no two in a row."""
    word = found[0]
    cut = re.search(r"(?<=\S)(?=\S)", word)
    return f"{word[: cut.start()]} {word[cut.start() :]}" if cut else word[1:]


literal = Literal()  # for text that no model in particular reads
