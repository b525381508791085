"""Id schemes without learning: random, sequential, or from the item table.

Random and sequential codes are the controls for learned schemes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod
from typing import ClassVar

import numpy as np

from p5rec.core.errors import input_error
from p5rec.core.item_codes import ItemCodes
from p5rec.core.rng import by_key, derive_rng
from p5rec.core.types import Catalog

from .config import IdsConfig
from .quantiser import Coded, ItemData

WORD = re.compile(r"\w+")
OTHER = 0  # the code of out-of-vocabulary and missing words


@dataclass(frozen=True, eq=False)
class Words:
    """Codes items by words: one vocabulary per level, code 0 for other and missing words.

    Attributes:
        sizes: codes per level.
        source: ``title``, an attribute name, or ``""``: without words, all codes cost the same.
        vocabularies: one list per level; word i has code i + 1.
    """

    sizes: tuple[int, ...]
    source: str = ""
    vocabularies: tuple[tuple[str, ...], ...] = ()
    kind: ClassVar[str] = "words"

    def embed(self, items: ItemData) -> np.ndarray:
        """``(N, L)`` the codes of the items' words; -1: any code."""
        if not self.vocabularies:
            return np.full((len(items), len(self.sizes)), -1, dtype=np.int64)
        words = item_words(items.catalog, self.source)
        codes = [
            {word: code for code, word in enumerate(vocabulary, 1)}
            for vocabulary in self.vocabularies
        ]
        return np.array(
            [
                [code_of.get(own[level], OTHER) if level < len(own) else OTHER
                 for level, code_of in enumerate(codes)]
                for own in words
            ],
            dtype=np.int64,
        ).reshape(len(items), len(self.sizes))  # fmt: skip

    def costs(self, points: np.ndarray, codes: np.ndarray) -> np.ndarray:
        level = codes.shape[1]
        wanted = points[:, level, None]
        other: np.ndarray = (wanted >= 0) & (np.arange(self.sizes[level]) != wanted)
        return other.astype(np.float64)

    def reconstruct(self, codes: np.ndarray) -> None:
        return None

    def state(self) -> dict[str, np.ndarray]:
        lines = "\n".join("\t".join(level) for level in (*self.vocabularies, (self.source,)))
        return {"words": np.frombuffer(lines.encode(), dtype=np.uint8)}

    @classmethod
    def restored(cls, sizes: tuple[int, ...], state: Mapping[str, np.ndarray]) -> Words:
        *levels, source = state["words"].tobytes().decode().split("\n")
        return cls(sizes, source, tuple(tuple(level.split("\t")) for level in levels))


def random_codes(config: IdsConfig, items: ItemData) -> Coded:
    """Distinct random code tuples, uniformly distributed."""
    codes = uniform(len(items), config.sizes, config.seed).codes
    return _with_points(codes, Words(config.sizes), items)


def sequential_codes(config: IdsConfig, items: ItemData) -> Coded:
    """Items numbered by first appearance in training histories, user by user; others come last.

    The sequential ids of Hua et al. 2023 (section 4.1). Their numbering included held-out events,
    so the target was often the next number. This numbering uses training events alone. The codes
    are the digits of the number in the base of the codebook.
    """
    check_capacity(len(items), config.sizes)
    # the first codebook is as small as the numbers allow
    sizes = (-(-len(items) // prod(config.sizes[1:])), *config.sizes[1:])
    log = items.interactions
    seen, first = np.unique(log.items[items.split.mask("train")], return_index=True)
    mentioned = seen[np.argsort(first)]
    rest = by_key(items.keys, config.seed, "ids", "unseen")
    order = np.concatenate([mentioned, rest[~np.isin(rest, mentioned)]])
    number = np.empty(len(items), dtype=np.int64)
    number[order] = np.arange(len(items))
    codes = np.stack(np.unravel_index(number, sizes), axis=1).astype(np.int32)
    return _with_points(codes, Words(sizes), items)


def title_codes(config: IdsConfig, items: ItemData) -> Coded:
    """The first words of each title; the most frequent words at each position have codes."""
    return _vocabulary_codes(config, items, "title")


def category_codes(config: IdsConfig, items: ItemData) -> Coded:
    """The values of an attribute as a path of categories.

    Raises:
        UserError: the item table has no such attribute.
    """
    known = items.catalog.attributes
    if config.attribute not in known:
        raise input_error(
            "ids.attribute",
            f"an attribute of the items ({', '.join(known) or 'they have none'})",
            repr(config.attribute),
            "name the attribute with the categories",
        )
    return _vocabulary_codes(config, items, str(config.attribute))


def item_words(catalog: Catalog, source: str) -> list[Sequence[str]]:
    """``(N,)`` words of each item: words of its title, or values of an attribute."""
    if source == "title":
        return [WORD.findall(title.lower()) for title in catalog.own_titles]
    return [[" ".join(v.split()) for v in values] for values in catalog.values(source)]


def permuted(codes: ItemCodes, seed: int) -> ItemCodes:
    """The permutation control: the same code tuples, randomly permuted over the items.

    The control has equal codebooks, parameter counts and tree shape. It differs in the assignment
    of codes to items alone.
    """
    order = derive_rng(seed, "ids", "permute").permutation(len(codes))
    return ItemCodes(codes.codes[order], codes.sizes, f"{codes.scheme}, permuted", codes.tied)


def uniform(n_items: int, sizes: tuple[int, ...], seed: int) -> ItemCodes:
    """N distinct random code tuples, uniformly distributed.

    Raises:
        UserError: fewer tuples than items, or so many that they cannot be numbered.
    """
    check_capacity(n_items, sizes)
    rng = derive_rng(seed, "ids", "uniform")
    numbers = rng.choice(prod(sizes), size=n_items, replace=False)
    codes = np.stack(np.unravel_index(numbers, sizes), axis=1).astype(np.int32)
    return ItemCodes(codes, sizes, "random")


def unnamed(n_items: int, seed: int) -> ItemCodes:
    """N distinct random pairs of codes, for a model whose prompts name no codes.

    A saved model has codes, whether its prompts name them or not.
    """
    size = ceil(np.sqrt(n_items))
    return uniform(n_items, (size, size), seed)


def check_capacity(n_items: int, sizes: tuple[int, ...]) -> None:
    """Checks that the codebooks can number the items.

    Raises:
        UserError: fewer tuples than items, or so many that they cannot be numbered.
    """
    if not n_items <= prod(sizes) <= 2**62:
        raise input_error(
            "ids",
            f"between {n_items} (the items) and 2^62 code tuples",
            f"{prod(sizes)} from levels of {', '.join(map(str, sizes))} codes",
            "change codebook or levels",
        )


def _with_points(codes: np.ndarray, quantiser: Words, items: ItemData) -> Coded:
    return Coded(codes, quantiser, quantiser.embed(items), items.vectors)


def _vocabulary_codes(config: IdsConfig, items: ItemData, source: str) -> Coded:
    words = item_words(items.catalog, source)
    if not any(words):
        raise input_error(
            f"ids.scheme: {config.scheme}", f"items with a {source}", "none",
            "name the column, or take another scheme",
        )  # fmt: skip
    vocabularies = []
    for level, size in enumerate(config.sizes):
        counts = Counter(own[level] for own in words if level < len(own))
        common = sorted(counts, key=lambda word: (-counts[word], word))[: size - 1]
        vocabularies.append(tuple(common))
    sizes = tuple(len(vocabulary) + 1 for vocabulary in vocabularies)
    quantiser = Words(sizes, source, tuple(vocabularies))
    codes = quantiser.embed(items)
    return Coded(codes.astype(np.int32), quantiser, codes, items.vectors)
