"""Text examples → token ids, through the model's own chat template where it has one."""

from __future__ import annotations

import numpy as np
from transformers import PreTrainedTokenizerBase

from p5rec.core.types import Example
from p5rec.prompting.render import to_messages


def encode_source(
    tokenizer: PreTrainedTokenizerBase, example: Example, max_tokens: int
) -> np.ndarray:
    """``(T,)`` ids of the question, up to where the answer begins.

    A question longer than ``max_tokens`` loses its beginning: what is asked stands at its end.
    """
    if tokenizer.chat_template:
        text = tokenizer.apply_chat_template(
            to_messages(example), tokenize=False, add_generation_prompt=True
        )
    else:
        text = "\n".join(part for part in (example.system, example.source) if part) + "\n"
    # a chat template writes the marks that the model knows; elsewhere its tokenizer does
    ids = tokenizer(text, add_special_tokens=not tokenizer.chat_template)["input_ids"]
    return np.asarray(ids[-max_tokens:], dtype=np.int64)


def encode_target(tokenizer: PreTrainedTokenizerBase, example: Example) -> np.ndarray:
    """``(T,)`` ids of the answer and the token that ends it."""
    ids = tokenizer(example.target, add_special_tokens=False)["input_ids"]
    return np.asarray([*ids, tokenizer.eos_token_id], dtype=np.int64)
