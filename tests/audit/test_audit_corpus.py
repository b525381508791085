"""Planted leaks are found; clean data have no finding."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from p5rec.audit.checks import audit_corpus
from p5rec.audit.findings import MAX_EVIDENCE
from p5rec.audit.lineage import artefacts_under, audit_artefacts, behind
from p5rec.core.artefacts import Lineage, Store
from p5rec.core.features import Users
from p5rec.core.rng import id_keys
from p5rec.core.types import Catalog, Corpus, Interactions
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.prepare import load_corpus, prepare
from p5rec.data.split import baskets_of, make_split


def corpus(
    items: np.ndarray, ids: list[str], times: np.ndarray | None = None, rule: str = "leave-one-out"
) -> Corpus:
    """Users with ``n`` events each: ``items`` is ``(U, n)``, row numbers."""
    U, n = items.shape
    moments = np.tile(np.arange(1, n + 1), U) * 1000 if times is None else times.ravel()
    log = Interactions(
        users=np.repeat(np.arange(U), n).astype(np.int32),
        items=items.ravel().astype(np.int32),
        times=moments.astype(np.int64),
        ratings=None,
        user_keys=id_keys(range(U)),
        item_keys=id_keys(ids),
    )
    catalog = Catalog(pa.table({"item": ids, "title": ids}))
    return Corpus(log, catalog, Users.of([f"u{u}" for u in range(U)]), make_split(log, rule))


def test_ties_are_noted_with_the_basket_settings() -> None:
    rng = np.random.default_rng(0)
    times = np.tile(np.repeat(np.arange(1, 5), 2), (200, 1)) * 1000
    found = corpus(random_items(rng), shuffled_ids(rng), times)
    (note,) = (f for f in audit_corpus(found) if f.check == "4 ties")
    assert "data.baskets: true" in note.sentence
    assert "last-basket" in note.sentence
    log = found.interactions
    sets = replace(found, interactions=replace(log, baskets=baskets_of(log)))
    (note,) = (f for f in audit_corpus(sets) if f.check == "4 ties")
    assert "data.baskets" not in note.sentence


def leaks(found: Corpus) -> set[str]:
    return {f.check for f in audit_corpus(found) if f.severity == "leak"}


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def random_items(
    rng: np.random.Generator, users: int = 200, n: int = 8, items: int = 300
) -> np.ndarray:
    return np.stack([rng.permutation(items)[:n] for _ in range(users)])


def shuffled_ids(rng: np.random.Generator, n: int = 300) -> list[str]:
    return [f"b{number}" for number in rng.permutation(n)]


def test_clean_data_have_no_finding(rng: np.random.Generator) -> None:
    assert audit_corpus(corpus(random_items(rng), shuffled_ids(rng))) == []


@pytest.mark.parametrize("kind", ["checkerboard", "markov", "null"])
def test_synthetic_datasets_have_no_leak(kind: str) -> None:
    assert leaks(build(DataConfig(source="synthetic", synthetic={"kind": kind}))[0]) == set()


def test_ids_in_order_of_appearance(rng: np.random.Generator) -> None:
    items = random_items(rng)
    _, first = np.unique(items.ravel(), return_index=True)
    ids = np.full(300, 0)
    ids[np.unique(items)[np.argsort(first)]] = np.arange(1, len(first) + 1)
    unmet = np.setdiff1d(np.arange(300), items)
    ids[unmet] = 1000 + np.arange(len(unmet))
    found = corpus(items, [str(n) for n in ids])
    assert leaks(found) == {"1 ids by appearance"}


def test_row_numbers_are_audited(rng: np.random.Generator) -> None:
    items = np.arange(400).reshape(50, 8)
    assert "1 ids by appearance" in leaks(corpus(items, shuffled_ids(rng, 400)))


def by_runs(items: np.ndarray) -> list[str]:
    """Ids assigned user by user, within a user in any order, held-out events included."""
    ids, number = np.zeros(300, dtype=int), 0
    for row in items:
        for item in np.sort(row):
            if not ids[item]:
                ids[item] = number = number + 1
    unmet = np.flatnonzero(ids == 0)
    ids[unmet] = 1000 + np.arange(len(unmet))
    return [str(n) for n in ids]


def test_ids_in_runs_of_users_are_a_leak_where_they_can_be_seen(rng: np.random.Generator) -> None:
    items = random_items(rng)
    with_ids = corpus(items, by_runs(items))
    assert leaks(with_ids) == {"1 ids by appearance"}  # the titles are the ids
    table = pa.table({"item": with_ids.catalog.ids, "title": [f"t{n}" for n in range(300)]})
    titled = replace(with_ids, catalog=Catalog(table))
    hidden, seen = (
        [f.severity for f in audit_corpus(titled, seen=seen) if f.check == "1 ids by appearance"]
        for seen in (False, True)
    )
    assert (hidden, seen) == (["warning"], ["leak"])


def test_ids_in_order_of_training_events_are_no_leak(rng: np.random.Generator) -> None:
    items = random_items(rng)
    trained = items[:, :-2].ravel()
    _, first = np.unique(trained, return_index=True)
    order = trained[np.sort(first)]
    order = np.concatenate([order, rng.permutation(np.setdiff1d(np.arange(300), order))])
    ids = np.zeros(300, dtype=int)
    ids[order] = np.arange(300)
    assert leaks(corpus(items, [str(n) for n in ids])) == set()


def test_ids_of_a_catalogue_in_order_are_a_warning() -> None:
    """Related items are neighbours in the catalogue, independently of events."""
    rng = np.random.default_rng(1)
    shelves = rng.integers(0, 290, size=(200, 1)) + np.stack(
        [rng.permutation(10)[:8] for _ in range(200)]
    )
    series = 10 * np.stack([rng.permutation(30)[:2] for _ in range(200)])
    episodes = (series[:, :, None] + np.arange(4)).reshape(200, 8)
    for items in (shelves, episodes):
        found = audit_corpus(corpus(items, [f"b{n}" for n in range(300)]))
        assert {(f.severity, f.check) for f in found if "ids" in f.check} == {
            ("warning", "1 ids in some order")
        }
        assert found[0].numbers["p"] <= 0.001
        assert len(found[0].evidence) == 5


def test_sequences_sorted_by_id(rng: np.random.Generator) -> None:
    ids = shuffled_ids(rng)
    number = np.asarray([int(i[1:]) for i in ids])
    items = random_items(rng)
    items = np.take_along_axis(items, number[items].argsort(axis=1), axis=1)
    assert leaks(corpus(items, ids)) == {"4 sequences by id"}


def test_ties_resolved_by_id(rng: np.random.Generator) -> None:
    items, ids = (
        random_items(rng),
        sorted(shuffled_ids(rng)),
    )  # words in order: row order is id order
    times = np.tile(np.arange(1, 5).repeat(2) * 1000, (200, 1))
    fair = corpus(items, ids, times)
    assert leaks(fair) == set()
    rank = np.argsort(np.argsort([int(i[1:]) for i in ids]))
    pairs = items.reshape(-1, 2)
    by_id = np.take_along_axis(pairs, rank[pairs].argsort(axis=1), axis=1).reshape(items.shape)
    assert leaks(corpus(by_id, ids, times)) == {"4 ties by id"}


def test_a_split_that_turns_back(rng: np.random.Generator) -> None:
    clean = corpus(random_items(rng), shuffled_ids(rng))
    splits = clean.split.of_event.copy()
    splits[[6, 7]] = splits[[7, 6]]
    broken = replace(clean, split=replace(clean.split, of_event=splits))
    assert leaks(broken) == {"split against time"}


def test_repeats_and_impossible_times(rng: np.random.Generator) -> None:
    items = random_items(rng)
    items[0, 7] = items[0, 0]
    items[1, 1] = items[1, 0]
    times = np.tile(np.arange(1, 9) * 1000, (200, 1))
    times[1, 1] = times[1, 0]
    times[2, 0] = -5
    times[2, 7] = 10**12
    found = {f.check: f for f in audit_corpus(corpus(items, shuffled_ids(rng), times))}
    assert set(found) == {"exact repeats", "targets already seen", "impossible times"}
    assert found["exact repeats"].numbers == {"events": 1}
    assert found["targets already seen"].numbers["share"] == 1 / 200
    assert found["impossible times"].numbers == {"events": 2}
    severities = {name: f.severity for name, f in found.items()}
    # one repeated test target is no more than training events explain
    assert severities.pop("targets already seen") == "note"
    assert set(severities.values()) == {"warning"}
    assert found["exact repeats"].evidence[0]["user"] == "u1"


def test_lineage_of_a_run(tmp_path: Path) -> None:
    config = DataConfig(source="synthetic", synthetic={"users": 30})
    store = Store(tmp_path, notify=lambda line: None)
    data = store.stage("data", lambda out: prepare(config, out), config=config.dump(), code=())
    corpus = load_corpus(data.path)
    keys, split = corpus.interactions.event_keys, corpus.split

    def stage(name: str, *splits: str, on: object = data) -> object:
        lineage = Lineage(keys[split.mask(*splits)]) if splits else Lineage.none()
        return store.stage(
            name, lambda out: lineage, config={"splits": splits}, code=(), inputs={"of": on}
        )

    clean_ids = stage("ids", "train")
    trained = stage("train", "train", on=clean_ids)
    assert audit_artefacts(tmp_path, artefacts_under(tmp_path)) == []
    peeking = stage("vectors", "train", "valid")
    stage("model", on=peeking)
    everything = artefacts_under(tmp_path)
    found = audit_artefacts(tmp_path, everything)
    assert {f.sentence.split()[0] for f in found} == {"vectors", "model"}
    assert all(f.severity == "leak" and f.numbers == {"valid": 30, "test": 0} for f in found)
    assert all([row["split"] for row in f.evidence] == ["valid"] * MAX_EVIDENCE for f in found)
    assert audit_artefacts(tmp_path, behind([trained.key], everything)) == []


def test_lineage_without_its_corpus(tmp_path: Path) -> None:
    store = Store(tmp_path, notify=lambda line: None)
    seen = Lineage(np.arange(5))
    store.stage("ids", lambda out: seen, config={}, code=(), inputs={"data": "elsewhere"})
    assert [f.severity for f in audit_artefacts(tmp_path, artefacts_under(tmp_path))] == ["warning"]


@pytest.mark.parametrize(("dedupe", "left"), [("exact", 6), ("review", 4)])
def test_a_review_under_two_items_is_found_and_taken_out(
    tmp_path: Path, dedupe: str, left: int
) -> None:
    reviews = [("a", "w", 1, "fine"), ("a", "x", 2, "good"), ("a", "y", 2, "good"),
            ("a", "z", 2, ""), ("a", "w", 2, "good"), ("a", "v", 3, "good")]  # fmt: skip
    rows = [json.dumps({"user": u, "item": i, "time": t, "review": r}) for u, i, t, r in reviews]
    (tmp_path / "log.jsonl").write_text("\n".join(rows[:5]) + "\n")
    config = DataConfig(source="table", path=str(tmp_path / "log.jsonl"), dedupe=dedupe)
    found, summary = build(config)
    assert summary["repeats"]["copied_reviews"] == 2
    assert len(found.interactions) == left - 1
    splits = found.split.of_event.copy()
    splits[:] = 0
    good = [str(t) == "good" for t in found.interactions.texts["review"]]
    splits[np.flatnonzero(good)[-1]] = 2
    planted = replace(found, split=replace(found.split, of_event=splits))
    assert ("2 copied reviews" in leaks(planted)) == (dedupe == "exact")
    # equal reviews at different times are not duplicates
    (tmp_path / "log.jsonl").write_text("\n".join(rows) + "\n")
    assert len(build(config)[0].interactions) == left
