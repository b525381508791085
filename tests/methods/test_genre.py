"""GENRE's recommender: first events, synthetic items and profiles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from short_history_world import TOPICS, ShortHistoryWorld, fitted, short_history_world

from p5rec.core.errors import UserError
from p5rec.core.types import Corpus, Histories
from p5rec.data.click_instances import click_instances
from p5rec.data.vector_store import VectorStore
from p5rec.methods.contract import RULES, check_contract
from p5rec.methods.systems.genre.histories import followed
from p5rec.methods.systems.genre.method import Genre

pytestmark = pytest.mark.system("genre")


def genre(**settings: Any) -> Genre:
    own = {"tune": {}, "epochs": 1, "patience": 0, "embedding": 4, "hidden": (8,), "history": 1}
    return Genre(**{**own, "synthetic": ("synthetic",), **settings})


@pytest.fixture(scope="module")
def world() -> ShortHistoryWorld:
    return short_history_world(users=20, items=4 * TOPICS, events=6)


@pytest.fixture(scope="module")
def vectors(world: ShortHistoryWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vectors")
    world.save_vectors(folder)
    return folder


@pytest.fixture(scope="module")
def model(world: ShortHistoryWorld, vectors: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("model") / "genre"
    return fitted(genre(), world.corpus, vectors, folder)


def test_synthetic_items_follow_the_history() -> None:
    items, labels = np.array([7, 8, 9, -1]), np.array([2, 1, 2, 0])
    added = np.array([[30, -1], [31, 41], [-1, -1], [-1, 42]])
    found = followed(items, labels, np.array([0, 2, 2, 3, 3]), added)
    assert [each.tolist() for each in found] == [
        [7, 8, 30, 31, 41, 9, 42, -1],
        [2, 1, 0, 0, 0, 2, 0, 0],
        [0, 3, 5, 6, 7],
    ]


def test_a_request_has_its_users_first_events_and_synthetic_item(
    world: ShortHistoryWorld, model: Any
) -> None:
    test = click_instances(world.corpus, "test", 0)
    items, labels, offsets = model.encoder.encode(test.histories, test.items).read
    log = world.corpus.interactions
    first = np.flatnonzero(world.corpus.split.profile)
    rows = log.n_items + np.arange(log.n_users)
    assert items[:-1].tolist() == np.stack([log.items[first], rows], 1).ravel().tolist()
    assert labels[:-1].tolist() == np.stack([log.labels[first] + 1, rows * 0], 1).ravel().tolist()
    assert torch.equal(offsets, 2 * torch.arange(log.n_users + 1))
    train = click_instances(world.corpus, "train", 0)
    assert not np.isin(train.events, first).any()


def test_a_synthetic_item_has_a_vector_alone_on_the_scale_of_items(
    world: ShortHistoryWorld, vectors: Path, model: Any
) -> None:
    features, n_items = model.model.fields.items, world.corpus.interactions.n_items
    assert len(features.singles) == n_items + world.corpus.interactions.n_users + 1
    assert (features.singles[n_items:] == features.singles[-1]).all()
    (own,) = features.vectors
    items, synthetic = (
        VectorStore.read(vectors / name).rows(keys)
        for name, keys in (
            ("items", world.corpus.interactions.item_keys),
            ("synthetic", world.corpus.interactions.user_keys),
        )
    )
    scaled = (synthetic - items.mean(0)) / items.std(0)
    np.testing.assert_allclose(own[n_items:-1], scaled, rtol=1e-4, atol=1e-5)
    assert own[-1].isnan().all()


def test_a_prediction_depends_on_the_users_own_synthetic_item_alone(
    world: ShortHistoryWorld, model: Any
) -> None:
    test = click_instances(world.corpus, "test", 0)
    before = model.predict_click(test.histories, test.items)
    (own,) = model.model.fields.items.vectors
    row = world.corpus.interactions.n_items + 3
    kept = own[row].clone()
    own[row] += 50
    after = model.predict_click(test.histories, test.items)
    own[row] = kept
    assert (test.users[before != after] == 3).all()
    assert (before != after).any()


def test_users_have_no_ids(world: ShortHistoryWorld, vectors: Path, tmp_path: Path) -> None:
    model = fitted(genre(synthetic=()), world.corpus, vectors, tmp_path / "none")
    items = np.array([1, 1, 1])
    one = Histories(np.array([0, 5, -1], np.int32), items, np.arange(4), labels=np.ones(3, np.int8))
    clicks = model.predict_click(one, np.array([2, 2, 2]))
    assert len(np.unique(clicks)) == 1


def test_later_events_are_not_read(world: ShortHistoryWorld, model: Any) -> None:
    test = click_instances(world.corpus, "test", 0)
    cut = test.histories.head(1)
    assert cut.lengths.tolist() == [1] * len(test)
    clicks = [model.predict_click(each, test.items) for each in (cut, test.histories)]
    assert clicks[0].tobytes() == clicks[1].tobytes()


def test_a_user_without_a_text_has_no_synthetic_item(
    world: ShortHistoryWorld, vectors: Path, tmp_path: Path
) -> None:
    store, lost = VectorStore.read(vectors / "synthetic"), world.corpus.interactions.user_keys[3]
    kept = store.keys != lost
    replace(store, keys=store.keys[kept], vectors=store.vectors[kept]).save(tmp_path / "synthetic")
    (tmp_path / "items").symlink_to(vectors / "items")
    model = fitted(genre(), world.corpus, tmp_path, tmp_path / "model")
    test = click_instances(world.corpus, "test", 0)
    offsets = model.encoder.encode(test.histories, test.items).read[2]
    assert offsets.diff().tolist() == [1 if user == 3 else 2 for user in test.users]
    assert np.isfinite(model.predict_click(test.histories, test.items)).all()


def test_synthetic_items_are_never_recommended(world: ShortHistoryWorld, model: Any) -> None:
    test = click_instances(world.corpus, "test", 0)
    n_items = world.corpus.interactions.n_items
    lists = model.recommend(test.histories, n_items, exclude_seen=False)
    assert (np.sort(lists.items, axis=1) == np.arange(n_items)).all()


class WithVectors(Genre):
    """A method that finds its vectors by itself."""

    folder: str

    def needs(self, seed: int) -> dict[str, Any]:
        return {}

    def fit(self, corpus: Corpus, folder: Path, *, seed: int, inputs: Any) -> Any:
        names = (*self.named, *self.synthetic)
        found = {f"vectors.{name}": Path(self.folder) / name for name in names}
        return super().fit(corpus, folder, seed=seed, inputs=found)


def test_it_keeps_the_contract_of_methods(
    world: ShortHistoryWorld, vectors: Path, tmp_path: Path
) -> None:
    method = WithVectors(**genre(profile="permuted synthetic").dump(), folder=str(vectors))
    assert check_contract(method, world.corpus, tmp_path) == {rule: [] for rule in RULES}


def test_vectors_must_fit(world: ShortHistoryWorld, vectors: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="expected vectors of users, got items: items"):
        fitted(genre(profile="items", items="permuted items"), world.corpus, vectors,
               tmp_path / "a")  # fmt: skip
    store = VectorStore.read(vectors / "synthetic")
    replace(store, vectors=store.vectors[:, :3].copy()).save(tmp_path / "synthetic")
    (tmp_path / "items").symlink_to(vectors / "items")
    with pytest.raises(UserError, match=r"genre\.synthetic: expected vectors of width 8"):
        fitted(genre(), world.corpus, tmp_path, tmp_path / "b")


def test_vectors_are_named_by_their_use() -> None:
    with pytest.raises(ValueError, match="name them as items, synthetic and profile"):
        Genre(vectors=("items",))
