"""Synthetic worlds with a known answer, for testing everything that learns.

``checkerboard``: even users like even items, odd users odd ones; with ``events = items / 2`` each
user's last event is the only one of its colour left, so a perfect ranker's HR@1 is exactly 1.
``markov``: an item is followed by its :func:`successor` with probability p, else by a uniform
draw, so HR@1 of the best possible ranker is p + (1 - p) / N before seen items are filtered.
``null``: items and ratings are drawn independently of everything: nothing can be learned.
``shop``: a user, who has one of 8 tastes, views an item, puts another into the cart and buys a
third, over and over. A purchase is of the taste half the time, a view with probability p; carts are
of another taste as often, and mislead who does not tell behaviours apart. All else is drawn evenly:
with p = 0 views and carts say nothing. With ``data.behaviour`` (whatever its column) the log has
events of all three kinds, ``view``, ``cart`` and ``purchase``; without, the same purchases alone.

User ``u7`` and item ``i12`` are number 7 and number 12; the numbers carry no order in time.
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
DONE = ("view", "cart", "purchase")
START, HOUR = 1_577_836_800, 3600  # 2020-01-01 UTC, seconds


def successor(world: SyntheticConfig) -> np.ndarray:
    """``(N,)`` the number of the item that follows each item: one cycle through all of them."""
    cycle = derive_rng(world.seed, "world", "cycle").permutation(world.items)
    after = np.empty(world.items, dtype=np.int64)
    after[cycle] = np.roll(cycle, -1)
    return after


def files(config: DataConfig) -> dict[str, Path]:
    """None: the config says all."""
    return {}


def read(config: DataConfig) -> RawLog:
    """The world's log and item table, with ratings, titles, genres, years and short reviews."""
    world = config.synthetic
    items = _items(world)
    drawn = _draw(world)
    done = world.kind == "shop" and config.behaviour is not None
    if world.kind == "shop" and not done:
        drawn = drawn[:, len(DONE) - 1 :: len(DONE)]
    U, n = drawn.shape
    rng = derive_rng(world.seed, "world", "times")
    gaps = rng.integers(1, 24, size=(U, n)).cumsum(axis=1)
    seconds = START + HOUR * (rng.integers(0, 2000, size=(U, 1)) + gaps)
    users = np.repeat(np.arange(U), n)
    events = pl.DataFrame(
        {
            "row": np.arange(1, U * n + 1, dtype=np.uint32),
            "user": _names("u", users),
            "item": _names("i", drawn.ravel()),
            "time": seconds.ravel() * 1_000_000,
            "rating": _ratings(world, users, drawn.ravel()),
        }
    )
    if done:
        kinds = pl.Series(BEHAVIOUR, np.resize(np.asarray(DONE), U * n))
        events = events.with_columns(kinds)
    return RawLog(_with_texts(events, items), items, ())


def _draw(world: SyntheticConfig) -> np.ndarray:
    """``(U, n)`` item numbers, oldest first; under ``shop`` those of :data:`DONE` in turn."""
    U, N, n = world.users, world.items, world.events
    rng = derive_rng(world.seed, "world", "items")
    if world.kind == "checkerboard":
        if n > N // 2:
            raise UserError(
                f"data.synthetic.events: expected at most items / 2 = {N // 2} on a checkerboard, "
                f"got {n}; lower it or raise data.synthetic.items"
            )
        order = rng.random((U, N // 2)).argsort(axis=1)[:, :n]
        return 2 * order + np.arange(U)[:, None] % 2
    if world.kind == "shop":
        return _shop(world, rng)
    drawn = rng.integers(0, N, size=(U, n))
    if world.kind == "markov":
        after, follows = successor(world), rng.random((U, n)) < world.p
        for t in range(1, n):
            drawn[:, t] = np.where(follows[:, t], after[drawn[:, t - 1]], drawn[:, t])
    return drawn


def _shop(world: SyntheticConfig, rng: np.random.Generator) -> np.ndarray:
    """Items of one taste have numbers that are equal modulo the number of tastes."""
    U, N, n = world.users, world.items, world.events
    tastes = min(TASTES, N)
    drawn = rng.integers(0, N, size=(U, n, len(DONE)))
    own = rng.integers(0, tastes, size=(U, 1, 1))
    other = (own + rng.integers(1, tastes, size=(U, 1, 1))) % tastes
    of_taste = drawn // tastes % (N // tastes) * tastes
    of_taste = of_taste + np.concatenate([own, other, own], axis=2)
    kept = rng.random((U, n, len(DONE))) < [world.p, world.p, 0.5]
    return np.where(kept, of_taste, drawn).reshape(U, -1)


def _items(world: SyntheticConfig) -> pl.DataFrame:
    """Titles and attributes; on a checkerboard the genres tell an item's colour."""
    N = world.items
    rng = derive_rng(world.seed, "world", "attributes")
    first = rng.integers(0, len(GENRES), N)
    if world.kind == "checkerboard":
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


def _ratings(world: SyntheticConfig, users: np.ndarray, items: np.ndarray) -> np.ndarray:
    """``(E,)`` stars 1 to 5: a user's effect, an item's, and noise; under ``null`` noise alone."""
    rng = derive_rng(world.seed, "world", "ratings")
    effect = 0.0 if world.kind == "null" else 0.8
    of_user, of_item = rng.normal(0, 1, world.users), rng.normal(0, 1, world.items)
    noise = rng.normal(0, 0.4 if effect else 1.0, len(users))
    stars = 3.4 + effect * (of_user[users] + of_item[items]) + noise
    whole: np.ndarray = np.clip(np.rint(stars), 1, 5).astype(np.float32)
    return whole


def _with_texts(events: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    stars = (pl.col("rating") - 1).cast(pl.Int64)
    feeling, verdict = (pl.lit(pl.Series(words)).gather(stars) for words in (FEELINGS, VERDICTS))
    genre, title = pl.col("genres").list.first(), pl.col("title")
    known = events.join(items, on="item", how="left", maintain_order="left")
    review = pl.format("{} {}: {}.", feeling, genre.str.to_lowercase(), title)
    return known.select(*events.columns, review.alias("review"), verdict.alias("summary"))


def _names(letter: str, numbers: np.ndarray) -> pl.Series:
    return (letter + pl.Series(numbers).cast(pl.String)).alias("name")


SOURCE = Source("synthetic worlds with a known answer (see data.synthetic)", files, read)
