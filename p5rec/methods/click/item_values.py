"""An item's id as values of one embedding table: a hash of the id, or parts of its semantic id.

Singh et al. 2023 (arXiv:2306.08121) put parts of semantic ids in place of a hashed item id. Items
with similar contents then share embeddings, and items without training events have trained ones.

N items, L levels, G n-grams of an item, R rows of the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from p5rec.core.errors import input_error
from p5rec.core.item_codes import ItemCodes
from p5rec.core.rng import keyed

Ngram = Literal["prefixes", "unigrams", "bigrams"]
FIRST = 0x10000  # the character of the first code; all later ones are valid


@dataclass(frozen=True)
class ItemValues:
    """The values of N items.

    Attributes:
        rows: R.
        values: of each item, from 1 to R.
    """

    rows: int
    values: Sequence[Sequence[int]]


def hash_values(item_keys: np.ndarray, rows: int, seed: int) -> ItemValues:
    """One value an item, at random by its key ``(N,)``."""
    values = 1 + keyed(item_keys, seed, "item hash") % np.uint64(rows)
    return ItemValues(rows, values.astype(np.int64)[:, None].tolist())


def ngram_values(codes: ItemCodes, rows: int, ngram: Ngram, seed: int) -> ItemValues:
    """The n-grams of each item's codes.

    The n-grams of one place share a part of the table. A place with fewer n-grams than an even
    share of the rows has a row for each; those of the other places are hashed.

    Raises:
        UserError: there are fewer rows than places.
    """
    columns = [_numbers(content(codes)[:, part]) for part in _parts(codes, ngram)]
    _check_rows(rows, len(columns), "a row for each n-gram of an item")
    counts = [int(column.max()) + 1 for column in columns]
    order, start = np.argsort(counts, kind="stable").tolist(), 1
    values = np.zeros((len(codes), len(columns)), dtype=np.int64)
    for place, n in enumerate(order):
        room = (rows + 1 - start) // (len(order) - place)
        own = columns[n]
        if counts[n] > room:
            hashed = keyed(own.astype(np.uint64), seed, "n-gram hash", str(n))
            own = (hashed % np.uint64(room)).astype(np.int64)
        values[:, n] = start + own
        start += min(room, counts[n])
    return ItemValues(rows, values.tolist())


def piece_values(codes: ItemCodes, events: np.ndarray, rows: int) -> ItemValues:
    """The pieces of each item's codes, by byte-pair encoding with at most R pieces.

    Args:
        codes: of the items.
        events: ``(N,)`` the training events of each item, from which the pieces are learned.
        rows: R.

    Raises:
        UserError: there are fewer rows than codes.
    """
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from tokenizers.trainers import BpeTrainer

    flat = content(codes) + codes.starts[: content(codes).shape[1]]
    words = ["".join(chr(FIRST + code) for code in item) for item in flat.tolist()]
    alphabet = sorted(set("".join(words)))
    _check_rows(rows, len(alphabet), "a row for each code")

    def seen() -> Iterator[str]:
        for word, count in zip(words, events.tolist(), strict=True):
            yield from [word] * count

    tokenizer = Tokenizer(BPE())
    trainer = BpeTrainer(
        vocab_size=rows, min_frequency=2, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(seen(), trainer)
    return ItemValues(rows, [[1 + n for n in each.ids] for each in tokenizer.encode_batch(words)])


def content(codes: ItemCodes) -> np.ndarray:
    """``(N, L)`` int64 codes, without a level that only numbers the items of equal codes."""
    kept: np.ndarray = codes.codes[:, : codes.levels - codes.tied].astype(np.int64)
    return kept


def _parts(codes: ItemCodes, ngram: Ngram) -> list[slice]:
    """The levels of each n-gram; bigrams do not overlap."""
    levels = range(content(codes).shape[1])
    match ngram:
        case "prefixes":
            return [slice(0, n + 1) for n in levels]
        case "unigrams":
            return [slice(n, n + 1) for n in levels]
        case "bigrams":
            return [slice(n, n + 2) for n in levels[::2]]


def _numbers(codes: np.ndarray) -> np.ndarray:
    """``(N,)`` int64: equal rows of ``codes (N, n)`` have equal numbers, from 0."""
    return np.unique(codes, axis=0, return_inverse=True)[1].reshape(-1)


def _check_rows(rows: int, least: int, reason: str) -> None:
    if rows < least:
        raise input_error(
            "methods: rows", f"at least {least}, {reason}", str(rows), "raise it"
        )  # fmt: skip
