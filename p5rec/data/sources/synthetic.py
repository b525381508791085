"""Synthetic datasets with planted structure, or none, for testing models.

``checkerboard``: even users like even items, odd users odd ones. With ``events = items / 2`` the
last event of a user is the only remaining item of the right parity, so a perfect ranker has HR@1 1.
``markov``: an item is followed by its :func:`successor` with probability p, else by a uniform draw.
The best possible HR@1 is p + (1 - p) / N before seen items are filtered.
``null``: items and ratings are independent of everything, so no model can beat chance.
``shop``: each user has one of 8 tastes and repeatedly views one item, puts a second into the cart
and buys a third. A purchase fits the user's taste with probability 1/2, a view with probability p.
A cart event fits one other taste with probability p, which misleads models that ignore behaviours.
All other items are uniform draws, so with p = 0 views and carts carry no information. With
``data.behaviour`` (any column) the log has the behaviours ``view``, ``cart`` and ``purchase``;
without it, only the same purchases.

User ``u7`` and item ``i12`` have the numbers 7 and 12; the numbers carry no time order.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from p5rec.core.errors import UserError
from p5rec.core.rng import derive_rng
from p5rec.data.config import DataConfig, SyntheticConfig
from p5rec.data.event_columns import BEHAVIOUR
from p5rec.data.rawlog import RawLog, Source

COLOURS = ("Amber", "Azure", "Crimson", "Golden", "Ivory", "Jade", "Scarlet", "Silver")
THINGS = ("Bridge", "Forest", "Garden", "Harbour", "Island", "Lantern", "Mountain", "River")
GENRES = ("Action", "Comedy", "Drama", "Mystery", "Romance", "Western")
FEELINGS = ("Awful", "Weak", "Fair", "Good", "Superb")
VERDICTS = ("Avoid it", "Disappointing", "It was fine", "Well worth it", "A favourite")
TASTES = 8
BEHAVIOURS = ("view", "cart", "purchase")
START, HOUR = 1_577_836_800, 3600  # 2020-01-01 UTC, seconds


def successor(synthetic: SyntheticConfig) -> np.ndarray:
    """``(N,)`` the number of the item that follows each item; the items form one cycle."""
    cycle = derive_rng(synthetic.seed, "world", "cycle").permutation(synthetic.items)
    after = np.empty(synthetic.items, dtype=np.int64)
    after[cycle] = np.roll(cycle, -1)
    return after


def files(config: DataConfig) -> dict[str, Path]:
    """No files: the config defines the data."""
    return {}


def read(config: DataConfig) -> RawLog:
    """The log and the item table, with ratings, titles, genres, years and short reviews."""
    synthetic = config.synthetic
    items = _items(synthetic)
    sequences = _draw(synthetic)
    with_behaviours = synthetic.kind == "shop" and config.behaviour is not None
    if synthetic.kind == "shop" and not with_behaviours:
        sequences = sequences[:, len(BEHAVIOURS) - 1 :: len(BEHAVIOURS)]
    U, n = sequences.shape
    rng = derive_rng(synthetic.seed, "world", "times")
    gaps = rng.integers(1, 24, size=(U, n)).cumsum(axis=1)
    seconds = START + HOUR * (rng.integers(0, 2000, size=(U, 1)) + gaps)
    users = np.repeat(np.arange(U), n)
    events = pl.DataFrame(
        {
            "row": np.arange(1, U * n + 1, dtype=np.uint32),
            "user": _names("u", users),
            "item": _names("i", sequences.ravel()),
            "time": seconds.ravel() * 1_000_000,
            "rating": _ratings(synthetic, users, sequences.ravel()),
        }
    )
    if with_behaviours:
        kinds = pl.Series(BEHAVIOUR, np.resize(np.asarray(BEHAVIOURS), U * n))
        events = events.with_columns(kinds)
    return RawLog(_with_texts(events, items), items, ())


def _draw(synthetic: SyntheticConfig) -> np.ndarray:
    """``(U, n)`` item numbers, oldest first; under ``shop`` cyclically by :data:`BEHAVIOURS`."""
    U, N, n = synthetic.users, synthetic.items, synthetic.events
    rng = derive_rng(synthetic.seed, "world", "items")
    if synthetic.kind == "checkerboard":
        if n > N // 2:
            raise UserError(
                f"data.synthetic.events: expected at most items / 2 = {N // 2} on a checkerboard, "
                f"got {n}; lower it or raise data.synthetic.items"
            )
        order = rng.random((U, N // 2)).argsort(axis=1)[:, :n]
        return 2 * order + np.arange(U)[:, None] % 2
    if synthetic.kind == "shop":
        return _shop(synthetic, rng)
    sequences = rng.integers(0, N, size=(U, n))
    if synthetic.kind == "markov":
        after, follows = successor(synthetic), rng.random((U, n)) < synthetic.p
        for t in range(1, n):
            sequences[:, t] = np.where(follows[:, t], after[sequences[:, t - 1]], sequences[:, t])
    return sequences


def _shop(synthetic: SyntheticConfig, rng: np.random.Generator) -> np.ndarray:
    """``(U, n)`` item numbers; items of one taste are equal modulo the number of tastes."""
    U, N, n = synthetic.users, synthetic.items, synthetic.events
    tastes = min(TASTES, N)
    sequences = rng.integers(0, N, size=(U, n, len(BEHAVIOURS)))
    own = rng.integers(0, tastes, size=(U, 1, 1))
    other = (own + rng.integers(1, tastes, size=(U, 1, 1))) % tastes
    of_taste = sequences // tastes % (N // tastes) * tastes
    of_taste = of_taste + np.concatenate([own, other, own], axis=2)
    fits = rng.random((U, n, len(BEHAVIOURS))) < [synthetic.p, synthetic.p, 0.5]
    return np.where(fits, of_taste, sequences).reshape(U, -1)


def _items(synthetic: SyntheticConfig) -> pl.DataFrame:
    """Titles and attributes; on a checkerboard the genres reveal an item's parity."""
    N = synthetic.items
    rng = derive_rng(synthetic.seed, "world", "attributes")
    first = rng.integers(0, len(GENRES), N)
    if synthetic.kind == "checkerboard":
        first = 2 * (first // 2) + np.arange(N) % 2
    second = (first + 2 * rng.integers(0, 2, N)) % len(GENRES)
    years = rng.integers(1960, 2020, N)
    words = np.asarray(GENRES)
    table = pl.DataFrame(
        {
            "item": _names("i", np.arange(N)),
            "colour": np.asarray(COLOURS)[rng.integers(0, len(COLOURS), N)],
            "thing": np.asarray(THINGS)[rng.integers(0, len(THINGS), N)],
            "number": np.arange(N),
            "year": years.astype(np.int32),
            "genres": np.stack([words[first], words[second]], axis=1),
        }
    )
    title = pl.format("{} {} {} ({})", "colour", "thing", "number", "year")
    genres = pl.col("genres").arr.to_list().list.unique(maintain_order=True)
    return table.select("item", title.alias("title"), "year", genres)


def _ratings(synthetic: SyntheticConfig, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """``(E,)`` ratings 1 to 5: user effect, item effect and noise; under ``null`` only noise."""
    rng = derive_rng(synthetic.seed, "world", "ratings")
    effect = 0.0 if synthetic.kind == "null" else 0.8
    of_user, of_item = rng.normal(0, 1, synthetic.users), rng.normal(0, 1, synthetic.items)
    noise = rng.normal(0, 0.4 if effect else 1.0, len(users))
    stars = 3.4 + effect * (of_user[users] + of_item[items]) + noise
    rounded: np.ndarray = np.clip(np.rint(stars), 1, 5).astype(np.float32)
    return rounded


def _with_texts(events: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    stars = (pl.col("rating") - 1).cast(pl.Int64)
    feeling, verdict = (pl.lit(pl.Series(words)).gather(stars) for words in (FEELINGS, VERDICTS))
    genre, title = pl.col("genres").list.first(), pl.col("title")
    known = events.join(items, on="item", how="left", maintain_order="left")
    review = pl.format("{} {}: {}.", feeling, genre.str.to_lowercase(), title)
    return known.select(*events.columns, review.alias("review"), verdict.alias("summary"))


def _names(letter: str, numbers: np.ndarray) -> pl.Series:
    return (letter + pl.Series(numbers).cast(pl.String)).alias("name")


SOURCE = Source("synthetic data with a known answer (see data.synthetic)", files, read)
