"""A synthetic log in which the first letter of a title is its topic, and users keep to a topic."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from even_log import even_corpus

from p5rec.core.artefacts import LINEAGE, Lineage, write_json
from p5rec.core.publishing import copy_or_link
from p5rec.core.rng import derive_rng
from p5rec.core.types import Corpus
from p5rec.data.stored_texts import ABOUT, SCHEMA, TEXTS
from p5rec.methods.base import Method
from p5rec.methods.baselines.popularity import Popularity
from p5rec.methods.folder import complete
from p5rec.methods.systems.palr.method import Palr

TOPICS = "ab"


def list_world(
    seed: int = 0, *, planted: bool = True, users: int = 24, items: int = 24, events: int = 9
) -> Corpus:
    """A :class:`Corpus` in which users choose items of their topic, or, without ``planted``, any.

    A user's first event is a profile event; the last two are for validation and test.
    """
    rng = derive_rng(seed, "list world", int(planted))
    taste, topic = rng.integers(len(TOPICS), size=users), np.arange(items) % len(TOPICS)
    chosen = np.concatenate(
        [
            rng.permutation(np.flatnonzero((topic == own) | (not planted)))[:events]
            for own in taste.tolist()
        ]
    )
    titles = [f"{TOPICS[t]}{n // len(TOPICS)}" for n, t in enumerate(topic.tolist())]
    return even_corpus(chosen, users, items, {"title": titles}, profile=True)


def save_texts(corpus: Corpus, folder: Path, texts: list[str], of: str = "users") -> Path:
    """Stores a text about each user, as the stage of texts does."""
    folder.mkdir()
    keys = corpus.interactions.user_keys
    columns = {
        "key": keys, "text": texts, "prompt_tokens": [7] * len(keys), "new_tokens": [3] * len(keys),
        "seconds": [0.0] * len(keys), "off_form": [False] * len(keys),
    }  # fmt: skip
    pl.DataFrame(columns, schema=SCHEMA).write_parquet(folder / TEXTS)
    write_json(folder / ABOUT, {"key": {"of": of}})
    np.save(folder / LINEAGE, Lineage.none().events)
    return folder


def folder_of(method: Method, corpus: Corpus, root: Path, **inputs: Path) -> Path:
    """A complete folder of ``method``, fitted to ``corpus``."""
    (root / "fit").mkdir(parents=True)
    (root / "work").mkdir()
    method.fit(corpus, root / "fit", seed=0, inputs=inputs)
    files = complete(method, root / "fit", inputs, corpus.catalog, root / "work")
    copy_or_link(files, root / "model")
    return root / "model"


def palr(corpus: Corpus, root: Path, profile: Path | None = None, **settings: Any) -> Path:
    """A complete folder of a PALR with popular items as candidates."""
    retriever = Popularity()
    found = folder_of(retriever, corpus, root / "retriever")
    named = {} if profile is None else {"profile": "texts"}
    method = Palr(retriever=retriever, **named, **settings)
    texts = {} if profile is None else {"profile": profile}
    return folder_of(method, corpus, root / "palr", retriever=found, **texts)
