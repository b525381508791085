"""The log of a small shop as frames."""

from __future__ import annotations

import polars as pl

import p5rec

USERS, ITEMS, EACH = 40, 24, 7
NETWORK = {
    "backbone": {"width": 16, "feedforward": 32},
    "train": {"epochs": {"max_epochs": 1}, "warmup": 0},
}
IDS = {"codebook": 8, "vectors": {"text": None, "cooccurrence": {"dim": 4}}}
SMALL = {"components": {"network": NETWORK}, "ids": IDS}


def shop_events() -> pl.DataFrame:
    """Events of 40 customers with 7 of 24 articles each, and their ratings."""
    rows = [
        {
            "customer": f"u{user}",
            "sku": f"A-{(7 * user + 5 * step) % ITEMS}",
            "bought_at": 1_700_000_000 + step * 86_400 + user,
            "stars": 1 + (step + user) % 5,
        }
        for user in range(USERS)
        for step in range(EACH)
    ]
    return pl.DataFrame(rows).with_columns(pl.from_epoch("bought_at", "s"))


def shop_items() -> pl.DataFrame:
    """The item table: titles and colours."""
    colours = ("red", "green", "blue")
    return pl.DataFrame(
        {
            "sku": [f"A-{n}" for n in range(ITEMS)],
            "title": [f"Article {n}" for n in range(ITEMS)],
            "colour": [colours[n % 3] for n in range(ITEMS)],
        }
    )


def shop(**settings: object) -> p5rec.Dataset:
    """The data set from both frames."""
    columns = {"user": "customer", "item": "sku", "time": "bought_at", "rating": "stars"}
    return p5rec.Dataset.from_frame(
        shop_events(), shop_items(), attributes=["colour"], **columns, **settings
    )
