"""Planted leaks of many kinds are found in small logs; clean logs have no finding."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from p5rec.core.artefacts import Lineage, Store
from p5rec.core.item_codes import ItemCodes
from p5rec.core.types import Corpus
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.prepare import _write, load_corpus, prepare_data
from p5rec.ids.files import save_codes
from p5rec.tasks.view import CorpusView

WORDS = (
    "amber",
    "basalt",
    "cobalt",
    "dune",
    "ember",
    "fjord",
    "garnet",
    "heather",
    "indigo",
    "jade",
)


@pytest.fixture(autouse=True)
def few_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("p5rec.audit.prompts.MAX_EVENTS", 6)


@dataclass
class Log:
    """``items (U, n)`` item numbers, oldest first, with ids and titles."""

    items: np.ndarray
    times: np.ndarray
    ids: list[str]
    titles: list[str]

    @classmethod
    def drawn(cls, seed: int = 0, users: int = 80, n: int = 8, items: int = 150) -> Log:
        rng = np.random.default_rng(seed)
        weight = 1 / np.sqrt(1 + np.arange(items))
        drawn = np.argsort(rng.exponential(size=(users, items)) / weight, axis=1)[:, :n]
        drawn = rng.permuted(drawn, axis=1)
        gaps = rng.integers(1, 999, size=drawn.shape).cumsum(axis=1)
        times = 1_600_000_000 + rng.integers(0, 9_999, size=(users, 1)) + gaps
        numbers = rng.choice(99_999, items, replace=False)
        titles = [f"{WORDS[k % 10]} {WORDS[k // 10 % 10]} {k:03d}".title() for k in range(items)]
        return cls(drawn, times, [f"k{number:05d}" for number in numbers], titles)

    def events(self) -> pl.DataFrame:
        users = np.repeat(np.arange(len(self.items)), self.items.shape[1])
        names, times = [self.ids[item] for item in self.items.ravel()], self.times.ravel()
        return pl.DataFrame({"user": [f"u{u}" for u in users], "item": names, "time": times})

    def table(self, **more: Any) -> pl.DataFrame:
        return pl.DataFrame({"item": self.ids, "title": self.titles, **more})

    def write(self, events: pl.DataFrame | None = None, **more: Any) -> list[str]:
        """Writes ``log.csv`` and ``items.csv``; returns the arguments of ``p5rec audit``."""
        (self.events() if events is None else events).write_csv("log.csv")
        self.table(**more).write_csv("items.csv")
        columns = ", ".join(f"{name}: {name}" for name in more)
        return [
            "log.csv",
            "data.items.path=items.csv",
            f"data.items.columns.attributes={{{columns}}}",
        ]

    def corpus(self) -> Corpus:
        self.write()
        return build(DataConfig(source="table", path="log.csv", items={"path": "items.csv"}))[0]


def _save(corpus: Corpus) -> list[str]:
    Path("prepared").mkdir()
    _write(
        corpus, {"ordinal": False, "split": {"name": "leave-one-out", "seed": 0}}, Path("prepared")
    )
    return ["prepared"]


def ids_by_appearance() -> list[str]:
    log = Log.drawn()
    _, first = np.unique(log.items.ravel(), return_index=True)
    order = np.unique(log.items)[np.argsort(first)]
    for number, item in enumerate(order):
        log.ids[item] = str(number + 1)
    return log.write()


def ids_by_appearance_through_time() -> list[str]:
    log = Log.drawn(items=400)
    walk = log.items.ravel()[np.argsort(log.times.ravel(), kind="stable")]
    _, first = np.unique(walk, return_index=True)
    for number, item in enumerate(np.unique(walk)[np.argsort(first)]):
        log.ids[item] = str(number + 1)
    return log.write()


def sequences_by_id() -> list[str]:
    log = Log.drawn()
    number = np.array([int(i[1:]) for i in log.ids])
    log.items = np.take_along_axis(log.items, number[log.items].argsort(axis=1), axis=1)
    return log.write()


def ties_by_id() -> list[str]:
    log = Log.drawn()
    log.times[:, 1::2] = log.times[:, ::2]
    corpus = log.corpus()
    events = corpus.interactions
    number = np.array([int(i[1:]) for i in corpus.catalog.ids])
    order = np.lexsort((number[events.items], events.times, events.users))
    return _save(replace(corpus, interactions=replace(events, items=events.items[order])))


def split_against_time() -> list[str]:
    corpus = Log.drawn().corpus()
    parts = corpus.split.of_event.reshape(-1, 8)[:, ::-1].ravel().copy()
    return _save(replace(corpus, split=replace(corpus.split, of_event=parts)))


def events_copied_across_the_split() -> list[str]:
    log = Log.drawn()
    events = log.events()
    return log.write(pl.concat([events, events[7::8][:20]]))


def targets_copied_into_histories() -> list[str]:
    log = Log.drawn()
    log.items[:30, 2] = log.items[:30, 7]
    return log.write()


def duplicates_of_targets() -> list[str]:
    log = Log.drawn(items=300)
    for user in range(40):
        target, twin = log.items[user, 7], log.items[user, 3]
        log.titles[twin] = log.titles[target].upper().replace(" ", "  ") + "!"
    return log.write()


def profiles_of_all_events() -> list[str]:
    log = Log.drawn()
    told = ["Enjoys " + ", ".join(log.titles[i] for i in row) for row in log.items]
    pl.DataFrame({"user": [f"u{u}" for u in range(80)], "profile": told}).write_csv("users.csv")
    return [*log.write(), "--users", "users.csv"]


def attributes_that_mention_the_next_item() -> list[str]:
    log = Log.drawn()
    after: dict[int, list[str]] = {}
    for row in log.items:
        for item, following in pairwise(row.tolist()):
            after.setdefault(item, []).append(log.ids[following])
    also = ["; ".join(after.get(item, [])) for item in range(len(log.ids))]
    return log.write(also_bought=also)


def attributes_that_count_all_events() -> list[str]:
    log = Log.drawn()
    return log.write(popularity=np.bincount(log.items.ravel(), minlength=len(log.ids)))


def _store(make: Callable[[Store, Corpus, Any], object]) -> list[str]:
    Log.drawn().write()
    store = Store(Path("store").absolute(), notify=lambda _: None)
    data = prepare_data(
        DataConfig(source="table", path="log.csv", items={"path": "items.csv"}), store
    )
    make(store, load_corpus(data.path), data)
    return ["store"]


def vectors_of_all_events() -> list[str]:
    def make(store: Store, corpus: Corpus, data: Any) -> None:
        seen = Lineage(corpus.interactions.event_keys[corpus.split.mask("train", "test")])
        store.stage("vectors", lambda _: seen, config={}, code=(), inputs={"data": data})

    return _store(make)


def codes_by_appearance() -> list[str]:
    def make(store: Store, corpus: Corpus, data: Any) -> None:
        events, N = corpus.interactions, len(corpus.catalog)
        _, first = np.unique(events.items, return_index=True)
        number = np.argsort(np.argsort(first))
        codes = ItemCodes(
            np.stack([number // 16, number % 16], axis=1).astype(np.int32), (N, 16), "x"
        )

        def save(folder: Path) -> Lineage:
            save_codes(codes, folder, corpus.catalog.ids)
            return Lineage(corpus.interactions.event_keys[corpus.split.mask("train")])

        store.stage("ids", save, config={}, code=(), inputs={"data": data})

    return _store(make)


PLANTED = {
    ids_by_appearance: "1 ids by appearance",
    ids_by_appearance_through_time: "1 ids by appearance",
    codes_by_appearance: "1 ids by appearance",
    profiles_of_all_events: "2 target in a text",
    attributes_that_mention_the_next_item: "2 target in a text",
    attributes_that_count_all_events: "3 statistics of all events",
    vectors_of_all_events: "3 lineage",
    sequences_by_id: "4 sequences by id",
    ties_by_id: "4 ties by id",
    split_against_time: "split against time",
    events_copied_across_the_split: "exact repeats across the split",
    targets_copied_into_histories: "targets already seen",
    duplicates_of_targets: "near-duplicate items",
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_leak_is_found(p5rec: Any, plant: Callable[[], list[str]]) -> None:
    code, out, err = p5rec("audit", *plant(), "--json", "found.json")
    assert (code, err) == (1, "")
    found = json.loads(Path("found.json").read_text())["findings"]
    leaks = [finding for finding in found if finding["severity"] == "leak"]
    assert PLANTED[plant] in {finding["check"] for finding in leaks}
    assert f"leak     {PLANTED[plant]}: " in out
    shown = [f["evidence"] for f in leaks if f["check"] == PLANTED[plant]]
    assert plant is vectors_of_all_events or all(1 <= len(rows) <= 5 for rows in shown)


def test_a_history_with_its_target_is_found(p5rec: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug that would leak: the history includes the queried event."""

    def past(view: CorpusView, event: int) -> np.ndarray:
        log = view.corpus.interactions
        return np.arange(log.offsets[log.users[event]], event + 1)

    monkeypatch.setattr(CorpusView, "past", past)
    code, out, _ = p5rec("audit", *Log.drawn().write())
    assert code == 1
    assert "2 target in a prompt: sequential-next, test: " in out
    assert "2 held-out events in a history: sequential-next: 6 of 6" in " ".join(out.split())


def synthetic(kind: str, seed: int, **shape: int) -> list[str]:
    Path("synthetic.yaml").write_text("data: {source: synthetic}\n")
    more = [f"data.synthetic.{name}={size}" for name, size in shape.items()]
    return ["synthetic.yaml", f"data.synthetic.kind='{kind}'", f"data.synthetic.seed={seed}", *more]


def clean_texts() -> list[str]:
    """Profiles, attributes and counts made from training events alone."""
    log = Log.drawn(seed=5)
    told = ["Enjoys " + ", ".join(log.titles[i] for i in row[:-2]) for row in log.items]
    pl.DataFrame({"user": [f"u{u}" for u in range(80)], "profile": told}).write_csv("users.csv")
    counts = np.bincount(log.items[:, :-2].ravel(), minlength=len(log.ids))
    also = [log.titles[(item + 1) % len(log.ids)] for item in range(len(log.ids))]
    return [*log.write(popularity=counts, also=also), "--users", "users.csv"]


def clean_store() -> list[str]:
    def make(store: Store, corpus: Corpus, data: Any) -> None:
        walk = corpus.interactions.items[corpus.split.mask("train")]
        met, first = np.unique(walk, return_index=True)
        number = np.full(len(corpus.catalog), len(corpus.catalog))
        number[met] = first
        rank = np.argsort(np.argsort(number, kind="stable"))
        codes = np.stack([rank // 16, rank % 16], axis=1).astype(np.int32)

        def save(folder: Path) -> Lineage:
            save_codes(ItemCodes(codes, (16, 16), "x"), folder, corpus.catalog.ids)
            return Lineage(corpus.interactions.event_keys[corpus.split.mask("train")])

        store.stage("ids", save, config={}, code=(), inputs={"data": data})

    return _store(make)


CLEAN: dict[str, Callable[[], list[str]]] = {
    "markov": lambda: synthetic("markov", 1),
    "markov-certain": lambda: synthetic("markov", 2, p=1, users=60, items=40),
    "null": lambda: synthetic("null", 3),
    "null-sparse": lambda: synthetic("null", 4, users=90, items=900, events=6),
    "null-next-item": lambda: synthetic("null", 5, users=50, items=30, events=20),
    "checkerboard": lambda: synthetic("checkerboard", 6),
    "log": lambda: Log.drawn(seed=7).write(),
    "long-log": lambda: Log.drawn(seed=8, users=60, n=20, items=80).write(),
    "log-by-time": lambda: [*Log.drawn(seed=9, users=120).write(), "data.split=time"],
    "log-without-titles": lambda: Log.drawn(seed=10).write()[:1],
    "clean-texts": clean_texts,
    "clean-store": clean_store,
}


@pytest.mark.parametrize("make", CLEAN.values(), ids=CLEAN)
def test_clean_logs_have_no_finding(p5rec: Any, make: Callable[[], Any]) -> None:
    code, out, err = p5rec("audit", *make())
    assert (code, err) == (0, ""), out
    assert "leaks found: 0, warnings found: 0" in out, out
