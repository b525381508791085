"""Small corpora built in memory."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa

from p5rec.core.features import Users
from p5rec.core.rng import id_keys
from p5rec.core.types import TEST, TRAIN, VALID, Catalog, Corpus, Interactions, Split
from p5rec.data.points import Points
from p5rec.tasks.item_names import ItemNames
from p5rec.tasks.view import CorpusView

USERS, ITEMS, EACH = 12, 40, 8


def make_view(
    *,
    ratings: bool = True,
    texts: bool = True,
    attributes: bool = True,
    titles: list[str] | None = None,
    seed: int = 0,
) -> CorpusView:
    """12 users with 8 different items each out of 40; leave-one-out."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(USERS, dtype=np.int32), EACH)
    items = np.concatenate([rng.permutation(ITEMS)[:EACH] for _ in range(USERS)]).astype(np.int32)
    events = len(users)
    columns = {}
    if texts:
        reviews = [f"Opinion {e} begins here. It is about thing {items[e]}." for e in range(events)]
        reviews[1], reviews[2] = "   ", None
        columns = {
            "review": pa.chunked_array([reviews[:5], reviews[5:]], type=pa.string()),
            "summary": pa.chunked_array([[f"Headline {e}" for e in range(events)]]),
        }
    scores = rng.integers(1, 6, events).astype(np.float32)
    scores[:2] = 1, 5
    log = Interactions(
        users=users,
        items=items,
        times=np.tile(np.arange(EACH, dtype=np.int64), USERS),
        ratings=scores if ratings else None,
        user_keys=id_keys(range(USERS)),
        item_keys=id_keys(range(ITEMS)),
        texts=columns,
        dated=False,
    )
    titles = titles or [f"Title-{n:02d}." for n in range(ITEMS)]
    table = {"item": [f"external-{n}" for n in range(ITEMS)], "title": titles}
    if attributes:
        table |= {
            "genres": [
                ["Drama", "Noir"][: 1 + n % 2] + ["Epic"] * (n % 3 == 0) for n in range(ITEMS)
            ],
            "year": [1980 + n for n in range(ITEMS)],
        }
    step = np.tile(np.arange(EACH), USERS)
    of_event = np.select([step == EACH - 1, step == EACH - 2], [TEST, VALID], TRAIN).astype(np.int8)
    user_ids = [f"person-{u}" for u in range(USERS)]
    corpus = Corpus(
        log, Catalog(pa.table(table)), Users.of(user_ids), Split("leave-one-out", of_event)
    )
    return CorpusView(corpus, ItemNames([f"<a_{n % 7}><b_{n}>" for n in range(ITEMS)], titles))


def with_points(view: CorpusView) -> CorpusView:
    """``view`` with a random vector of each item."""
    vectors = np.random.default_rng(0).normal(size=(len(view.corpus.catalog), 4))
    return replace(view, points=Points.of(view.corpus, vectors, view.liked))
