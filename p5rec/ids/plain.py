"""Codes that are given, not learned: drawn, counted, or read off the item table.

Those without meaning are the controls that every learned scheme has to beat.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import ClassVar

import numpy as np

from p5rec.core.errors import input_error
from p5rec.core.rng import by_key, derive_rng
from p5rec.core.types import Catalog, ItemCodes

from .config import IdsConfig
from .quantiser import Coded, ItemData

WORD = re.compile(r"\w+")
OTHER = 0  # the code of a word that is not in the vocabulary, and of no word


@dataclass(frozen=True, eq=False)
class Words:
    """Names each item by words: a vocabulary a level, code 0 for any other word and for none.

    Attributes:
        sizes: codes of each level.
        source: ``title``, an attribute's name, or ``""``: no words, so any code is as good.
        vocabularies: one list a level; word i has code i + 1.
    """

    sizes: tuple[int, ...]
    source: str = ""
    vocabularies: tuple[tuple[str, ...], ...] = ()
    kind: ClassVar[str] = "words"

    def see(self, items: ItemData) -> np.ndarray:
        """``(N, L)`` the codes that their words ask for; -1 where any will do."""
        if not self.vocabularies:
            return np.full((len(items), len(self.sizes)), -1, dtype=np.int64)
        words = words_of(items.catalog, self.source)
        codes = [
            {word: code for code, word in enumerate(vocabulary, 1)}
            for vocabulary in self.vocabularies
        ]
        return np.array(
            [
                [of.get(own[level], OTHER) if level < len(own) else OTHER
                 for level, of in enumerate(codes)]
                for own in words
            ],
            dtype=np.int64,
        ).reshape(len(items), len(self.sizes))  # fmt: skip

    def costs(self, points: np.ndarray, codes: np.ndarray) -> np.ndarray:
        level = codes.shape[1]
        wanted = points[:, level, None]
        found: np.ndarray = (wanted >= 0) & (np.arange(self.sizes[level]) != wanted)
        return found.astype(np.float64)

    def reconstruct(self, codes: np.ndarray) -> None:
        return None

    def state(self) -> dict[str, np.ndarray]:
        lines = "\n".join("\t".join(level) for level in (*self.vocabularies, (self.source,)))
        return {"words": np.frombuffer(lines.encode(), dtype=np.uint8)}

    @classmethod
    def restored(cls, sizes: tuple[int, ...], state: Mapping[str, np.ndarray]) -> Words:
        *levels, source = state["words"].tobytes().decode().split("\n")
        return cls(sizes, source, tuple(tuple(level.split("\t")) for level in levels))


def by_chance(config: IdsConfig, items: ItemData) -> Coded:
    """Different code tuples, every choice of them equally likely."""
    codes = uniform(len(items), config.sizes, config.seed).codes
    return _given(codes, Words(config.sizes), items)


def by_order(config: IdsConfig, items: ItemData) -> Coded:
    """Items numbered as training histories mention them, user after user; the rest comes last.

    The sequential ids of Hua et al. 2023 (section 4.1), whose numbers ran over the held-out events
    as well: there the answer was often the next number. Here training events alone are counted.
    A number's digits, to the base of the codebook, are the codes.
    """
    room(len(items), config.sizes)
    # no more first codes than the numbers need
    sizes = (-(-len(items) // prod(config.sizes[1:])), *config.sizes[1:])
    log = items.interactions
    seen, first = np.unique(log.items[items.split.mask("train")], return_index=True)
    mentioned = seen[np.argsort(first)]
    rest = by_key(items.keys, config.seed, "ids", "unseen")
    order = np.concatenate([mentioned, rest[~np.isin(rest, mentioned)]])
    number = np.empty(len(items), dtype=np.int64)
    number[order] = np.arange(len(items))
    codes = np.stack(np.unravel_index(number, sizes), axis=1).astype(np.int32)
    return _given(codes, Words(sizes), items)


def by_title(config: IdsConfig, items: ItemData) -> Coded:
    """The first words of each title, the commonest words of each place having codes."""
    return _worded(config, items, "title")


def by_category(config: IdsConfig, items: ItemData) -> Coded:
    """The values of an attribute, from the first on: a path of categories.

    Raises:
        UserError: the item table has no such attribute.
    """
    known = items.catalog.attributes
    if config.attribute not in known:
        raise input_error(
            "ids.attribute",
            f"an attribute of the items ({', '.join(known) or 'they have none'})",
            repr(config.attribute),
            "name the one that holds the categories",
        )
    return _worded(config, items, str(config.attribute))


def words_of(catalog: Catalog, source: str) -> list[Sequence[str]]:
    """The words of each item, ``(N,)``: of its title, or the values of an attribute."""
    if source == "title":
        return [WORD.findall(title.lower()) for title in catalog.titles]
    return [[" ".join(v.split()) for v in values] for values in catalog.values(source)]


def permuted(codes: ItemCodes, seed: int) -> ItemCodes:
    """The same code tuples, dealt out to the items by a seeded permutation.

    The control may differ in the mechanism alone: the codebooks, the number of parameters and the
    shape of the tree are equal, and only the link between an item and its place is gone.
    """
    deal = derive_rng(seed, "ids", "permute").permutation(len(codes))
    return ItemCodes(codes.codes[deal], codes.sizes, f"{codes.scheme}, permuted", codes.tied)


def uniform(n_items: int, sizes: tuple[int, ...], seed: int) -> ItemCodes:
    """N different code tuples, every choice of them equally likely.

    Raises:
        UserError: fewer tuples than items, or so many that they cannot be numbered.
    """
    room(n_items, sizes)
    rng = derive_rng(seed, "ids", "uniform")
    numbers = rng.choice(prod(sizes), size=n_items, replace=False)
    codes = np.stack(np.unravel_index(numbers, sizes), axis=1).astype(np.int32)
    return ItemCodes(codes, sizes, "random")


def room(n_items: int, sizes: tuple[int, ...]) -> None:
    """Refuses sizes that cannot number the items.

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


def _given(codes: np.ndarray, quantiser: Words, items: ItemData) -> Coded:
    return Coded(codes, quantiser, quantiser.see(items), items.vectors)


def _worded(config: IdsConfig, items: ItemData, source: str) -> Coded:
    words = words_of(items.catalog, source)
    vocabularies = []
    for level, size in enumerate(config.sizes):
        counts = Counter(own[level] for own in words if level < len(own))
        common = sorted(counts, key=lambda word: (-counts[word], word))[: size - 1]
        vocabularies.append(tuple(common))
    sizes = tuple(len(vocabulary) + 1 for vocabulary in vocabularies)
    quantiser = Words(sizes, source, tuple(vocabularies))
    codes = quantiser.see(items)
    return Coded(codes.astype(np.int32), quantiser, codes, items.vectors)
