"""The events of a model that another started from are looked up in the store's other corpora."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from p5rec.audit.lineage import artefacts_under, audit_artefacts, behind
from p5rec.core.artefacts import LINEAGE, Lineage, Store
from p5rec.core.types import Corpus
from p5rec.data.config import DataConfig
from p5rec.data.prepare import load_corpus, prepare_data

LOG = {"source": "table", "path": "shop.csv"}


def _write(path: Path, users: str) -> None:
    rows = [f"{users}{u},i{(u + n) % 9},{100 * u + n}" for u in range(12) for n in range(6)]
    path.write_text("\n".join(["user,item,time", *rows, ""]))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    _write(tmp_path / "shop.csv", "u")
    _write(tmp_path / "other.csv", "v")
    return Store(tmp_path / "store", lambda _: None)


def _events(corpus: Corpus, users: str, *splits: str, of: Corpus | None = None) -> np.ndarray:
    """The keys of events whose user's id begins with ``users`` and that are in ``splits`` of
    ``of``, whose events have the same order."""
    rows = np.array([name.startswith(users) for name in corpus.user_ids])[corpus.interactions.users]
    if of is not None:
        held = of.interactions
        names = {
            (of.user_ids[u], of.catalog.ids[i])
            for u, i, k in zip(held.users, held.items, of.split.mask(*splits), strict=True) if k
        }  # fmt: skip
        log = corpus.interactions
        rows &= np.array([
            (corpus.user_ids[u].partition("/")[2], corpus.catalog.ids[i].partition("/")[2]) in names
            for u, i in zip(log.users, log.items, strict=True)
        ])  # fmt: skip
    return corpus.interactions.event_keys[rows]


@pytest.mark.parametrize("splits", [("train",), ("train", "test")])
def test_a_log_as_part_of_other_data(store: Store, splits: tuple[str, ...]) -> None:
    data = prepare_data(DataConfig(**LOG), store)
    parts = {"shop": LOG, "other": {"source": "table", "path": "other.csv"}}
    other = prepare_data(
        DataConfig(source="parts", parts=parts, split="all"), store, evaluable=False
    )
    own, around = load_corpus(data.path), load_corpus(other.path)
    train = own.interactions.event_keys[own.split.mask("train")]
    seen = np.concatenate(
        [train, _events(around, "other/"), _events(around, "shop/", *splits, of=own)]
    )
    inputs = {"data": data, "pretrained": "a folder"}
    fit = store.stage("fit", lambda _: Lineage(np.unique(seen)), config={}, code=(), inputs=inputs)
    everything = artefacts_under(store.root)
    found = audit_artefacts(store.root, behind([fit.key], everything), everything)
    expected = {"warning", "note"} | ({"leak"} if "test" in splits else set())
    assert {finding.severity for finding in found} == expected  # the warning: no recorded lineage
    note = next(finding for finding in found if finding.severity == "note")
    assert note.numbers["events"] == own.split.mask(*splits).sum()


def test_other_data_alone_is_no_finding(store: Store, tmp_path: Path) -> None:
    data = prepare_data(DataConfig(**LOG), store)
    other = prepare_data(DataConfig(**{**LOG, "path": "other.csv"}), store)
    seen = Lineage(load_corpus(other.path).interactions.event_keys)
    start = tmp_path / "start"
    start.mkdir()
    np.save(start / LINEAGE, seen.events)
    config, inputs = {"start": str(start)}, {"data": data, "start": "a folder"}
    fit = store.stage("fit", lambda _: seen, config=config, code=(), inputs=inputs)
    everything = artefacts_under(store.root)
    assert audit_artefacts(store.root, behind([fit.key], everything), everything) == []
    (found,) = audit_artefacts(store.root, behind([fit.key], everything))
    assert "72 events in its lineage whose corpus is not" in found.sentence
