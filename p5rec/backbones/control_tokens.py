"""Keeps a tokenizer from reading control tokens in text of the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p5rec.tasks.literal import Literal

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def literal_for(tokenizer: PreTrainedTokenizerBase) -> Literal:
    """Escapes text of the data so that ``tokenizer`` maps none of it to a special token."""
    added = tokenizer.added_tokens_decoder.values()
    special = {*tokenizer.all_special_tokens, *(t.content for t in added if t.special)}
    # an added token of a single letter is an ordinary letter
    plain = {token.content for token in added if len(token.content.strip()) > 1}
    return Literal(special | plain, folded=any(token.normalized for token in added))
