"""What a model reads: items as code tokens, prompts as token ids, and both in padded batches."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from p5rec.core.examples import Example
from p5rec.core.features import Behaviours, behaviour_codes
from p5rec.core.types import Histories, ItemCodes
from p5rec.prompting.render import to_messages
from p5rec.tasks.literal import Literal


@dataclass(frozen=True, eq=False)
class CodeLayout:
    """Events as token ids: code ``c`` of level ``l`` is token ``first + starts[l] + c``; where
    behaviours are told apart, an event is its item's codes and the token of what was done.

    Attributes:
        codes: the items' codes, ``(N, L)``.
        first: the token id of code 0 of level 0.
        behaviours: their names, in the order of their tokens, which follow the codes'; an event of
            which nothing is said is of the first. Empty: they are not told apart.
        merged: an event takes one position of the model; else each token has its own.
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
        """The token of the first behaviour, where they are told apart."""
        return self.first + sum(self.codes.sizes)

    @property
    def stride(self) -> int:
        """Tokens an event."""
        return self.codes.levels + bool(self.behaviours)

    def events(self, items: np.ndarray, behaviours: Behaviours | None = None) -> np.ndarray:
        """``(n, stride)`` int64 token ids of events.

        Args:
            items: ``(n,)`` theirs.
            behaviours: what was done.

        Raises:
            UserError: a behaviour is not known.
        """
        if not self.behaviours:
            return self.items[items]
        done = behaviour_codes(behaviours, self.behaviours, len(items))
        return np.concatenate([self.items[items], self.first_behaviour + done[:, None]], axis=1)

    def histories(self, histories: Histories) -> list[np.ndarray]:
        """Each history as one token sequence, oldest first: B arrays of ``length * stride``."""
        tokens = self.events(histories.items, histories.behaviours).reshape(-1)
        cuts = histories.offsets[1:] * self.stride
        return np.split(tokens, cuts)[: len(histories)]


class Question(NamedTuple):
    """A question as token ids, and what it took to make it fit.

    Attributes:
        ids: ``(T,)`` int64.
        answer: what it should be answered, in the words that it shows.
        shortened: it shows less than it would have: a shorter history, fewer worked examples,
            shorter texts and titles.
        cut: nor was that enough, and its words lost their beginning.
    """

    ids: np.ndarray
    answer: str = ""
    shortened: bool = False
    cut: bool = False


def literal_for(tokenizer: PreTrainedTokenizerBase) -> Literal:
    """How data text is written so that ``tokenizer`` takes no word of it for a token of its own."""
    added = tokenizer.added_tokens_decoder.values()
    special = {*tokenizer.all_special_tokens, *(t.content for t in added if t.special)}
    # a single letter that was added is a letter
    plain = {token.content for token in added if len(token.content.strip()) > 1}
    return Literal(special | plain, folded=any(token.normalized for token in added))


def fit_source(tokenizer: PreTrainedTokenizerBase, example: Example, max_tokens: int) -> Question:
    """The question in at most ``max_tokens``, up to where the answer begins.

    It is written through the model's own chat template where it has one.

    One that is too long is made to show less, as little less as will do: first its histories lose
    their oldest events, then worked examples go, then texts and titles get shorter. What it asks,
    what there is to choose from, by id or by titles that differ, and what a chat template writes
    around it stay; an answer repeats a title as it is shown. If that is not enough, its
    own words lose their beginning, for what is asked stands at their end.
    """
    ids = _ids(tokenizer, example)
    if len(ids) <= max_tokens:
        return Question(ids, example.target)

    def first(steps: int, less: Callable[[int], Example]) -> Question | None:
        """The first of ``less(1 .. steps)``, each shorter than the one before, that fits."""
        taken = bisect_left(
            range(1, steps + 1), True, key=lambda n: len(_ids(tokenizer, less(n))) <= max_tokens
        )
        if taken == steps:
            return None
        shown = less(taken + 1)
        return Question(_ids(tokenizer, shown), shown.target, shortened=True)

    least, less = example, example.less
    if less is not None and less.steps:
        if found := first(less.steps, less):
            return found
        least = less(less.steps)
    words = least.source
    if found := first(len(words) - 1, lambda n: replace(least, source=words[n:].lstrip())):
        return found._replace(shortened=least is not example, cut=True)
    return Question(
        ids[-max_tokens:], example.target, cut=True
    )  # there is no room for what stands around it


def _ids(tokenizer: PreTrainedTokenizerBase, example: Example) -> np.ndarray:
    if tokenizer.chat_template:
        text = tokenizer.apply_chat_template(
            to_messages(example), tokenize=False, add_generation_prompt=True
        )
    else:
        text = "\n".join(part for part in (example.system, example.source) if part) + "\n"
    # a chat template writes the marks that the model knows; elsewhere its tokenizer does
    ids = tokenizer(text, add_special_tokens=not tokenizer.chat_template)["input_ids"]
    return np.asarray(ids, dtype=np.int64)


def encode_target(tokenizer: PreTrainedTokenizerBase, example: Example) -> np.ndarray:
    """``(T,)`` ids of the answer and the token that ends it."""
    ids = tokenizer(example.target, add_special_tokens=False)["input_ids"]
    return np.asarray([*ids, tokenizer.eos_token_id], dtype=np.int64)


def pad(rows: Sequence[np.ndarray], value: float) -> tuple[Tensor, Tensor]:
    """Rows ``(B, T, ...)``, of their own type, and their mask ``(B, T)`` int64, T the longest."""
    lengths = np.array([len(row) for row in rows])
    real = np.arange(lengths.max()) < lengths[:, None]
    out = np.full((*real.shape, *rows[0].shape[1:]), value, dtype=rows[0].dtype)
    out[real] = np.concatenate(rows)
    return torch.from_numpy(out), torch.from_numpy(real.astype(np.int64))


def by_length(lengths: np.ndarray, tokens: int) -> Iterator[np.ndarray]:
    """Rows in groups of like length, at most ``tokens`` padded tokens each, longest first.

    The longest come first, so a batch that does not fit in memory fails at once.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, tokens // max(1, int(lengths[order[start]])))
        yield order[start : start + size]
        start += size
