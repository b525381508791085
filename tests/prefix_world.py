"""A log of clicks in which the items of one code prefix share a click rate, and half of the items
have no training event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from p5rec.core.features import Users
from p5rec.core.item_codes import ItemCodes
from p5rec.core.rng import id_keys
from p5rec.core.types import Catalog, Corpus, Interactions, Split
from p5rec.data.click_instances import click_instances
from p5rec.ids.files import save_codes
from p5rec.methods.registry import METHODS
from p5rec.metrics.area import area
from p5rec.metrics.intervals import Statistic

PREFIXES, EACH = 12, 20  # first codes, and items of each


def prefix_world(*, planted: bool, users: int = 300, events: int = 24) -> Corpus:
    """The log; null: each item has a click rate of its own."""
    rng = np.random.default_rng(5)
    count = PREFIXES * EACH
    groups = np.repeat(np.linspace(0.1, 0.9, PREFIXES), EACH)
    rates = groups if planted else rng.permutation(groups)
    position = np.tile(np.arange(events), users)
    splits = np.select([position < events - 8, position < events - 4], [0, 1], 2).astype(np.int8)
    items = 2 * rng.integers(0, count // 2, users * events) + (splits > 0)  # odd ones are unseen
    labels = (rng.random(len(items)) < rates[items]).astype(np.int8)
    ids = [f"u{n}" for n in range(users)], [f"i{n}" for n in range(count)]
    log = Interactions(
        np.repeat(np.arange(users, dtype=np.int32), events),
        items.astype(np.int32),
        np.arange(len(items)),
        None,
        *map(id_keys, ids),
        labels=labels,
    )
    catalog = Catalog(pa.table({"item": ids[1], "title": ids[1]}))
    return Corpus(log, catalog, Users(pa.table({"user": ids[0]})), Split("by hand", splits, seed=1))


def prefix_codes() -> ItemCodes:
    """The codes of its items: a prefix, a code of four items, and a code among them."""
    rows = np.arange(PREFIXES * EACH)
    codes = np.stack([rows // EACH, rows % EACH // 4, rows % 4], 1).astype(np.int32)
    return ItemCodes(codes, (PREFIXES, EACH // 4, 4), "by hand")


def unseen_items(corpus: Corpus, folder: Path, **settings: Any) -> tuple[Statistic, np.ndarray]:
    """The AUC of a fitted method on the test instances, and their users ``(B,)``."""
    ids, model = folder / "ids", folder / "model"
    model.mkdir(parents=True)
    save_codes(prefix_codes(), ids, corpus.catalog.ids)
    method = METHODS.get(settings["kind"])(**settings)
    method.fit(corpus, model, seed=3, inputs=dict.fromkeys(method.needs(3), ids))
    test = click_instances(corpus, "test", 0)
    clicks = method.load(model).predict_click(test.histories, test.items)
    return area(clicks, test.labels > 0), test.users
