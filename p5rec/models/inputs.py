"""Model inputs: items as code tokens, prompts as token ids, padded batches."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from p5rec.core.examples import POINT, Example
from p5rec.core.features import Behaviours, behaviour_codes
from p5rec.core.item_codes import ItemCodes
from p5rec.core.types import Histories
from p5rec.prompting.render import to_messages

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


@dataclass(frozen=True, eq=False)
class CodeLayout:
    """Maps events to token ids: code ``c`` of level ``l`` is token ``first + starts[l] + c``.

    With behaviours, an event is its item's codes followed by the token of its behaviour.

    Attributes:
        codes: the items' codes, ``(N, L)``.
        first: the token id of code 0 of level 0.
        behaviours: names of the behaviours, in the order of their tokens, which follow the codes.
            An event without a behaviour has the first. Empty: behaviours are not distinguished.
        merged: an event takes one position of the model; otherwise each token takes one.
    """

    codes: ItemCodes
    first: int
    behaviours: tuple[str, ...] = ()
    merged: bool = True

    @cached_property
    def items(self) -> np.ndarray:
        """``(N, L)`` int64 token ids of every item."""
        return self.codes.flat + self.first

    @property
    def first_behaviour(self) -> int:
        """The token of the first behaviour, if behaviours are distinguished."""
        return self.first + sum(self.codes.sizes)

    @property
    def stride(self) -> int:
        """Tokens an event."""
        return self.codes.levels + bool(self.behaviours)

    def events(self, items: np.ndarray, behaviours: Behaviours | None = None) -> np.ndarray:
        """``(n, stride)`` int64 token ids of events.

        Args:
            items: ``(n,)`` of the events.
            behaviours: of the events.

        Raises:
            UserError: a behaviour is unknown.
        """
        if not self.behaviours:
            return self.items[items]
        kinds = behaviour_codes(behaviours, self.behaviours, len(items))
        return np.concatenate([self.items[items], self.first_behaviour + kinds[:, None]], axis=1)

    def histories(self, histories: Histories) -> list[np.ndarray]:
        """Each history as one token sequence, oldest first: B arrays of ``length * stride``."""
        tokens = self.events(histories.items, histories.behaviours).reshape(-1)
        cuts = histories.offsets[1:] * self.stride
        return np.split(tokens, cuts)[: len(histories)]


class PromptTokens(NamedTuple):
    """A prompt as token ids, and how it was shortened to fit.

    Attributes:
        ids: ``(T,)`` int64.
        target: the target text, with titles as the prompt has them.
        shortened: the prompt has a shorter history, fewer worked examples, or shorter texts and
            titles than it would have without a limit.
        cut: shortening was not enough, and the beginning of the prompt was cut off.
        soft: ``(T,)`` int64, the row in ``points`` of the vector that each token stands for, -1 for
            a word; None: all tokens are words.
        points: ``(V, d)`` float32, the vectors; None: there are none.
    """

    ids: np.ndarray
    target: str = ""
    shortened: bool = False
    cut: bool = False
    soft: np.ndarray | None = None
    points: np.ndarray | None = None


def fit_prompt(
    tokenizer: PreTrainedTokenizerBase, example: Example, max_tokens: int, soft_tokens: int = 1
) -> PromptTokens:
    """The prompt in at most ``max_tokens`` tokens, up to the beginning of the target.

    The model's chat template is applied if it has one, except after a sequence of events.

    A prompt that is too long is shortened by as little as necessary, in this order: the oldest
    events of histories, worked examples, texts and titles. The query, the candidates (by id or
    distinct titles) and the text of the chat template are never shortened. A title in the target
    is shortened in the same way. If the prompt is still too long, its beginning is cut off, because
    the query is at its end.

    Args:
        tokenizer: of the model.
        example: the prompt.
        max_tokens: T, at most.
        soft_tokens: tokens that stand for each vector.
    """

    def read(each: Example) -> PromptTokens:
        return _tokens(tokenizer, each, soft_tokens)

    tokens = read(example)
    if len(tokens.ids) <= max_tokens:
        return tokens

    def first(steps: int, shorten: Callable[[int], Example]) -> PromptTokens | None:
        """The first of ``shorten(1 .. steps)`` that fits; each is shorter than the last."""
        index = bisect_left(
            range(1, steps + 1), True, key=lambda n: len(read(shorten(n)).ids) <= max_tokens
        )
        if index == steps:
            return None
        return read(shorten(index + 1))._replace(shortened=True)

    shortest, shorten = example, example.shorten
    if shorten is not None and shorten.steps:
        if fitting := first(shorten.steps, shorten):
            return fitting
        shortest = shorten(shorten.steps)
    text = shortest.source
    if fitting := first(len(text) - 1, lambda n: replace(shortest, source=text[n:].lstrip())):
        return fitting._replace(shortened=shortest is not example, cut=True)
    # not even the chat template fits
    soft = None if tokens.soft is None else tokens.soft[-max_tokens:]
    return tokens._replace(ids=tokens.ids[-max_tokens:], soft=soft, cut=True)


def _tokens(tokenizer: PreTrainedTokenizerBase, example: Example, soft_tokens: int) -> PromptTokens:
    """The whole prompt; where a vector stands, ``soft_tokens`` padding tokens hold its place."""
    chat = bool(tokenizer.chat_template) and example.past is None  # a sequence of items is no chat
    if chat:
        text = tokenizer.apply_chat_template(
            to_messages(example), tokenize=False, add_generation_prompt=True
        )
    else:
        text = "\n".join(each for each in (example.system, example.source) if each) + "\n"
    # a chat template contains the special tokens; without one the tokenizer adds them
    special = not chat and example.past is None
    if example.points is None:
        ids = tokenizer(text, add_special_tokens=special)["input_ids"]
        return PromptTokens(np.asarray(ids, dtype=np.int64), example.target)
    pieces = [_of_piece(tokenizer, piece) for piece in text.split(POINT)]
    first = len(example.points) - len(pieces) + 1  # a prompt that was cut has the last ones
    place = np.full(soft_tokens, tokenizer.pad_token_id, dtype=np.int64)
    before, after = _around(tokenizer) if special else (place[:0], place[:0])
    ids, soft = [before, pieces[0]], [np.full(len(before) + len(pieces[0]), -1)]
    for number, piece in enumerate(pieces[1:]):
        ids += [place, piece]
        soft += [np.full(soft_tokens, number), np.full(len(piece), -1)]
    return PromptTokens(
        np.concatenate([*ids, after]),
        example.target,
        soft=np.concatenate([*soft, np.full(len(after), -1)]),
        points=example.points[first:],
    )


def _of_piece(tokenizer: PreTrainedTokenizerBase, text: str) -> np.ndarray:
    return np.asarray(tokenizer(text, add_special_tokens=False)["input_ids"], dtype=np.int64)


def _around(tokenizer: PreTrainedTokenizerBase) -> tuple[np.ndarray, np.ndarray]:
    """The special tokens that the tokenizer puts before and after a text."""
    word, whole = (
        np.asarray(tokenizer("a", add_special_tokens=each)["input_ids"], dtype=np.int64)
        for each in (False, True)
    )
    at = next(n for n in range(len(whole)) if (whole[n : n + len(word)] == word).all())
    return whole[:at], whole[at + len(word) :]


def encode_target(tokenizer: PreTrainedTokenizerBase, example: Example) -> np.ndarray:
    """``(T,)`` ids of the target and the end token."""
    ids = tokenizer(example.target, add_special_tokens=False)["input_ids"]
    return np.asarray([*ids, tokenizer.eos_token_id], dtype=np.int64)


def pad(sequences: Sequence[np.ndarray], value: float) -> tuple[Tensor, Tensor]:
    """Pads sequences on the right: ``(B, T, ...)`` in their own dtype, and a mask ``(B, T)`` int64.

    T is the length of the longest sequence.
    """
    lengths = np.array([len(sequence) for sequence in sequences])
    real = np.arange(lengths.max()) < lengths[:, None]
    shape = (*real.shape, *sequences[0].shape[1:])
    out = np.full(shape, value, dtype=sequences[0].dtype)
    out[real] = np.concatenate(sequences)
    return torch.from_numpy(out), torch.from_numpy(real.astype(np.int64))


def by_length(lengths: np.ndarray, tokens: int, most: int | None = None) -> Iterator[np.ndarray]:
    """Indices in batches of similar length with at most ``tokens`` padded tokens, longest first.

    The longest come first, so a batch that does not fit in memory fails at once.

    Args:
        most: indices of a batch, at most; None: any number.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, min(tokens // max(1, int(lengths[order[start]])), most or len(order)))
        yield order[start : start + size]
        start += size
