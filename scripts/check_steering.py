"""Measures steering by a sentence: shares of genres in lists of ten, with and without a wish.

p5rec run scripts/steering.yaml
python scripts/check_steering.py runs/steering [--users 200] [--paraphrases FILE] [METHOD ...]

Users are drawn by their ids. Intervals are 95 % bootstrap intervals over users. A paraphrase is a
hit if its parse has exactly the expected values, each with the expected sign.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

import p5rec
from p5rec.core.rng import derive_rng, id_keys
from p5rec.core.types import Catalog
from p5rec.metrics.intervals import Interval, bootstrap, mean_of, paired
from p5rec.tasks.wishes.parse import parse_wish
from p5rec.tasks.wishes.vocabulary import Vocabulary
from p5rec.tasks.wishes.wish import Wish

K, SEED = 10, 0


def drawn(users: list[str], n: int) -> list[str]:
    """``n`` of ``users``, by the order of their keys under a seed."""
    salt = derive_rng(SEED, "steering users").integers(2**63, dtype=np.uint64)
    return [users[row] for row in np.argsort(id_keys(users) ^ salt)[:n]]


def shares(lists: pl.DataFrame, users: list[str], items: set[str]) -> np.ndarray:
    """``(n,)``: the share of each user's list that is among ``items``."""
    hits = lists.with_columns(hit=pl.col("item").is_in(list(items)))
    each = hits.group_by("user").agg(pl.col("hit").mean())
    return (
        pl.DataFrame({"user": users})
        .join(each, on="user", how="left", maintain_order="left")["hit"]
        .to_numpy()
    )


def shown(interval: Interval) -> str:
    """A value with its interval."""
    return f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def row(model: p5rec.Model, wish: str, genre: set[str], users: list[str]) -> list[str]:
    """The shares without and with a wish, and their paired difference."""
    plain = shares(model.recommend(users=users, k=K), users, genre)
    steered = shares(model.recommend(users=users, k=K, wish=model.parse_wish(wish)), users, genre)
    units = np.arange(len(users))
    difference = paired(mean_of(steered), mean_of(plain), units, seed=SEED)[0]
    each = [bootstrap(mean_of(values), units, seed=SEED)[0] for values in (plain, steered)]
    counts = f"{int((plain > 0).sum())} → {int((steered > 0).sum())}"
    return [repr(wish), *map(shown, each), shown(difference), counts]


def signs(wish: Wish) -> dict[str, str]:
    """The sign of each value of a wish; of other terms the sign of their words."""
    others = {term.words.lower(): str(term.sign) for term in wish.terms if term.key is None}
    return {value: str(sign) for (_, value), sign in wish.signs.items()} | others


def paraphrases(path: Path, catalog: Catalog) -> list[str]:
    """One line for each paraphrase that was missed, and the hit rate."""
    vocabulary, lines, hits = Vocabulary(catalog), [], []
    cases: list[dict[str, Any]] = yaml.safe_load(path.read_text())
    for case in cases:
        try:
            wish = parse_wish(case["wish"], vocabulary)
            found, said = signs(wish), str(wish)
        except p5rec.UserError as error:
            found, said = {}, str(error)
        hits.append(found == case["is"])
        if not hits[-1]:
            lines.append(f"miss: {case['wish']!r}: expected {case['is']}, got {said}")
    rate = bootstrap(mean_of(np.array(hits, float)), np.arange(len(hits)), seed=SEED)[0]
    return [*lines, f"paraphrases: {sum(hits)} of {len(hits)}, {shown(rate)}"]


def main() -> None:
    """Prints a table for each method, and the hit rate of paraphrases."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("methods", nargs="*")
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--paraphrases", type=Path)
    options = parser.parse_args()
    data = p5rec.Dataset.from_config(options.run)
    chosen = drawn(list(data.corpus.user_ids), options.users)
    genres = data.items.explode("genres").group_by("genres").agg("item")
    of = {genre: {*items} for genre, items in genres.iter_rows()}
    names = options.methods or sorted(path.name for path in (options.run / "models").iterdir())
    print(f"{len(chosen)} users, share of ten items")
    print("| method | wish | without | with | difference | users with such an item |")
    print("|---|---|---|---|---|---|")
    for name in names:
        model = p5rec.load(options.run / "models" / name, data)
        for wish, genre in (("comedy", "Comedy"), ("no horror", "Horror")):
            print(f"| {name} | " + " | ".join(row(model, wish, of[genre], chosen)) + " |")
    if options.paraphrases:
        print(*paraphrases(options.paraphrases, data.corpus.catalog), sep="\n")


if __name__ == "__main__":
    main()
