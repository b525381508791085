"""A corpus of four invented readers and eight invented books for prompt previews without data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa

from p5rec.core.errors import UserError, did_you_mean
from p5rec.core.features import Users
from p5rec.core.rng import derive_rng, id_keys
from p5rec.core.types import TEST, TRAIN, VALID, Catalog, Corpus, Interactions, Split
from p5rec.data.points import Points
from p5rec.tasks.fields import FIELDS, Kind, Record, Value
from p5rec.tasks.item_names import ItemNames
from p5rec.tasks.record_builder import Limits
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView

from . import fewshot
from .template import Template

LIMITS = Limits(max_history=4, candidates=4, max_words=60)

BOOKS = (
    ("The Salt Lighthouse", ["Mystery", "Drama"], 1987),
    ("A Compass for Winter", ["Adventure"], 1994),
    ("Letters to the Cartographer", ["Drama", "Romance"], 2001),
    ("The Clockmaker's Alibi", ["Mystery", "Crime"], 1990),
    ("Nine Rooms of Rain", ["Mystery", "Drama"], 2003),
    ("Harbour of Small Lies", ["Crime", "Drama"], 1998),
    ("The Beekeeper's Atlas", ["Adventure", "Romance"], 2010),
    ("Under the Copper Moon", ["Romance"], 1979),
)

FACTORS = ("genre", "setting", "pace")
NOTES = ("Mystery, Drama", "Romance", "Crime", "Adventure")  # about the readers
READERS = {"age": (34, 27, 61, 45), "occupation": ("teacher", "nurse", "sailor", "gardener")}

# user, book, rating, summary, review
REVIEWS = (
    (0, 1, 1, "Slow start", "It takes a hundred pages to leave the village. I gave up there."),
    (0, 0, 5, "Could not stop", "A mystery that trusts its reader. I finished it in one night."),
    (0, 3, 4, "Neat puzzle", "The crime is solved by a clock that runs backwards. Clever."),
    (0, 5, 4, "Foggy and good", "Everyone in this harbour lies a little. The drama grows quietly."),
    (0, 4, 5, "Rain on every page", "Nine rooms, nine guests, one mystery. It never lets go."),
    (1, 7, 4, "Tender", "A romance without a wrong note. The moon does a lot of the work."),
    (1, 2, 5, "Lovely letters", "Told in letters, and every one of them is worth reading twice."),
    (1, 6, 4, "Sweet journey", "A gentle adventure with maps and honey. My sister loved it too."),
    (1, 1, 2, "Too cold for me", "I wanted warmth and got snow. The hero hardly speaks."),
    (2, 3, 5, "Clever to the end", "The best crime story I have read this year. No loose ends."),
    (2, 5, 3, "Fair", "Good harbour, weak ending. The crime is guessed by the middle."),
    (2, 0, 4, "Atmospheric", "You can smell the salt. The mystery itself is simple enough."),
    (2, 7, 2, "Not my kind", "Too much moon and too little plot for my taste."),
    (3, 6, 5, "A joy", "An adventure full of bees, maps and good company."),
    (3, 1, 4, "Bracing", "A winter adventure that made me put on a second coat."),
    (3, 2, 3, "Pretty but thin", "Beautiful drawings, thin story. The drama stays on the surface."),
    (3, 4, 4, "Well built", "Each room adds a piece to the mystery. I liked the gardener most."),
)


def sample_view() -> CorpusView:
    """The sample corpus: each reader's last book is for test, the one before for validation."""
    users, items, ratings, summaries, reviews = zip(*REVIEWS, strict=True)
    users_array = np.array(users, dtype=np.int32)
    from_end = np.array([users[i:].count(user) for i, user in enumerate(users)])
    readers, books = (
        [f"{kind}-{n}" for n in range(count)]
        for kind, count in (("reader", 4), ("book", len(BOOKS)))
    )
    log = Interactions(
        users=users_array,
        items=np.array(items, dtype=np.int32),
        times=np.arange(len(users), dtype=np.int64),
        ratings=np.array(ratings, dtype=np.float32),
        user_keys=id_keys(readers),
        item_keys=id_keys(books),
        texts={"summary": pa.chunked_array([summaries]), "review": pa.chunked_array([reviews])},
        dated=False,
    )
    titles, genres, years = zip(*BOOKS, strict=True)
    table = pa.table(
        {
            "item": books,
            "title": titles,
            "genres": genres,
            "year": years,
        }
    )
    people = pa.table({"user": readers, **{name: list(each) for name, each in READERS.items()}})
    of_event = np.select([from_end == 1, from_end == 2], [TEST, VALID], TRAIN).astype(np.int8)
    corpus = Corpus(log, Catalog(table), Users(people), Split("sample", of_event))
    ids = [f"<a_{n // 4}><b_{n % 4}><c_{n * 3 % 8}>" for n in range(len(BOOKS))]
    return CorpusView(corpus, ItemNames(ids, titles), factors=FACTORS, notes=NOTES)


def sample_records(task: str) -> list[Record]:
    """A record of a task from the sample corpus, followed by up to three worked examples."""
    view, kind = _with_points(sample_view()), TASKS.get(task)
    # the first reader, that reader's test event, and the item of that event
    row = 0 if kind.of == "users" else 4
    rng, pool = derive_rng(0, "sample", task), fewshot.Pool.of(view, task)
    record = kind.build(view, row, rng, LIMITS)
    return [record, *fewshot.choose(view, record, pool, 3, 0, LIMITS)]


def _with_points(view: CorpusView) -> CorpusView:
    """The view with a vector of each book: its genres and its year."""
    names = sorted({name for _, genres, _ in BOOKS for name in genres})
    books = [
        [float(n in genres) for n in names] + [(year - 1995) / 50] for _, genres, year in BOOKS
    ]
    return replace(view, points=Points.of(view.corpus, np.array(books), view.liked))


def override(template: Template, record: Record, settings: Mapping[str, str]) -> Record:
    """Replaces field values of ``record`` with values typed on the command line.

    ``;`` separates list entries. The first space separates the id and the title of an entry.

    Raises:
        UserError: the template has no such field, or a number does not parse.
    """
    unknown = [
        f"expected a field of {template.full_id}, got {name!r}; "
        f"{did_you_mean(name, template.fields)}"
        for name in settings
        if name not in template.fields
    ]
    if unknown:
        raise UserError(*unknown)
    typed = {name: _typed(name, FIELDS[name].kind, text) for name, text in settings.items()}
    return replace(record, values={**record.values, **typed})


def _typed(name: str, kind: Kind, text: str) -> Value:
    if kind == "number":
        try:
            return float(text)
        except ValueError:
            raise UserError(f"{name}: expected a number, got {text!r}; write 4 or 3.5") from None
    if kind in ("item", "title", "text"):
        return text
    entries = tuple(entry.strip() for entry in text.split(";") if entry.strip())
    if kind == "items_titled":
        return tuple((entry.partition(" ")[0], entry.partition(" ")[2]) for entry in entries)
    return entries
