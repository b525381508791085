"""A network's tokenizer, opened at its first use.

Ranking by codes needs two special tokens and no tokenizer. A tokenizer that is made, not read
from a file, is therefore opened only when text is encoded or decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:  # transformers takes over a second to import
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """A tokenizer and the special tokens that are known without it.

    Attributes:
        open: makes the tokenizer.
        pad: the token that fills batches.
        bos: the start token of a history.
    """

    open: Callable[[], PreTrainedTokenizerBase]
    pad: int
    bos: int

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> Self:
        """That of an open ``tokenizer``."""
        bos = tokenizer.bos_token_id
        bos = tokenizer.eos_token_id if bos is None else bos
        vocabulary = cls(lambda: tokenizer, tokenizer.pad_token_id, bos)
        _ = vocabulary.tokenizer
        return vocabulary

    @cached_property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer."""
        return self.open()

    def changed(
        self, change: Callable[[PreTrainedTokenizerBase], PreTrainedTokenizerBase]
    ) -> Vocabulary:
        """This one with ``change`` applied to the tokenizer: now if it is open, else on opening.

        Args:
            change: keeps the special tokens.
        """
        if "tokenizer" in vars(self):
            return Vocabulary.of(change(self.tokenizer))
        return replace(self, open=lambda: change(self.open()))
