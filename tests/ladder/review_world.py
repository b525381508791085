"""Synthetic reviews in two domains: each user likes some words and dislikes the others.

An item has one trait. Its reviews name the trait in a word among fillers of its domain, and a
user's rating says whether the user likes that word. Each user's likes hold in both domains, or
(null) are drawn anew for the second domain.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from p5rec.core.features import Behaviours, Users
from p5rec.core.rng import id_keys
from p5rec.core.types import TEST, TRAIN, VALID, Catalog, Corpus, Interactions, Split

USERS, ITEMS, TRAITS, FILLERS = 120, 60, 4, 20
SOURCE, TARGET, HELD_OUT = 20, 3, 4  # events of a user: source, target training, validation + test
LIKED, DISLIKED = 5.0, 1.0


def world(*, null: bool = False, seed: int = 0) -> Corpus:
    """The corpus; the items of the second half are the target domain."""
    rng = np.random.default_rng(seed)
    per_user = SOURCE + TARGET + HELD_OUT
    users = np.repeat(np.arange(USERS, dtype=np.int32), per_user)
    nth = np.tile(np.arange(per_user), USERS)
    target = nth >= SOURCE
    half = ITEMS // 2
    items = np.concatenate([_drawn(rng, half) for _ in range(USERS)]).astype(np.int32)
    traits = rng.permutation(np.arange(ITEMS) % TRAITS)
    likes = np.stack([_halves(rng) for _ in range(2)])  # of each domain
    liked = likes[target.astype(int) if null else 0, users, traits[items]]
    ratings = np.where(liked, LIKED, DISLIKED) + rng.normal(0, 0.3, len(users))
    reviews = [
        _review(rng, f"trait{traits[item]}", "b" if late else "a")
        for item, late in zip(items.tolist(), target.tolist(), strict=True)
    ]
    split = np.where(nth < SOURCE + TARGET, TRAIN, np.where(nth % 2 == 0, VALID, TEST))
    log = Interactions(
        users=users,
        items=items,
        times=np.arange(len(users), dtype=np.int64),
        ratings=ratings.astype(np.float32),
        user_keys=id_keys(range(USERS)),
        item_keys=id_keys(f"item {n}" for n in range(ITEMS)),
        texts={"review": pa.chunked_array([reviews])},
        behaviours=Behaviours(target.astype(np.int8), ("a", "b"), ("b",), (1.0, 1.0)),
    )
    catalog = Catalog(pa.table({"item": [str(n) for n in range(ITEMS)], "title": ["x"] * ITEMS}))
    people = Users.of([str(n) for n in range(USERS)])
    return Corpus(log, catalog, people, Split("by hand", split.astype(np.int8), seed=seed))


def _drawn(rng: np.random.Generator, half: int) -> np.ndarray:
    source = rng.choice(half, SOURCE, replace=False)
    return np.concatenate([source, half + rng.choice(half, TARGET + HELD_OUT, replace=False)])


def _halves(rng: np.random.Generator) -> np.ndarray:
    """``(USERS, TRAITS)`` bool: each user likes half of the traits."""
    return np.stack([rng.permutation(TRAITS) < TRAITS // 2 for _ in range(USERS)])


def _review(rng: np.random.Generator, trait: str, domain: str) -> str:
    words = [f"{domain}{n}" for n in rng.integers(FILLERS, size=5)]
    words[int(rng.integers(5))] = trait
    return " ".join(words)
