"""Stored vectors: lookup by key, copies, the permutation control, and damaged folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from p5rec.core.artefacts import Lineage
from p5rec.core.errors import UserError
from p5rec.core.rng import id_keys
from p5rec.data.vector_store import AboutVectors, VectorStore

ABOUT = AboutVectors(of="items", source="metadata", encoder="minilm")


def store(names: str = "dbeac", seed: int = 0) -> VectorStore:
    """Random vectors of the items ``names``, one letter each."""
    vectors = np.random.default_rng(seed).normal(size=(len(names), 3)).astype(np.float32)
    lineage = Lineage(np.array([7, 3], dtype=np.uint64))
    return VectorStore.of(id_keys(names), vectors, ABOUT, lineage)


def test_vectors_are_found_by_key() -> None:
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    built = VectorStore.of(id_keys("xyz"), vectors, ABOUT, Lineage.none())
    found = built.rows(id_keys("zax"))
    assert np.array_equal(found[[0, 2]], vectors[[2, 0]])
    assert np.isnan(found[1]).all()


def test_a_copy_is_the_same_to_the_bit(tmp_path: Path) -> None:
    original = store()
    original.save(tmp_path / "copy")
    copy = VectorStore.read(tmp_path / "copy")
    assert np.array_equal(copy.vectors, original.vectors)
    assert np.array_equal(copy.keys, original.keys)
    assert copy.about == ABOUT
    assert copy.lineage.events.tolist() == [3, 7]


def test_vectors_of_another_catalogue_are_one_line() -> None:
    with pytest.raises(UserError, match="expected vectors of some of these 2 items, got none"):
        store().rows(id_keys("xy"))


def test_no_keys_have_no_vectors() -> None:
    assert store().rows(id_keys("")).shape == (0, 3)


def test_two_vectors_of_an_entity_are_refused() -> None:
    with pytest.raises(ValueError, match="one vector for each entity"):
        store("aa")


def test_permutation_moves_every_vector_and_loses_none() -> None:
    original, permuted = store(), store().permuted(0)
    assert not (original.vectors == permuted.vectors).all(axis=1).any()
    assert sorted(original.vectors.tolist()) == sorted(permuted.vectors.tolist())
    assert permuted.about.permuted == 0
    assert not np.array_equal(permuted.vectors, store().permuted(1).vectors)


def test_permutation_depends_on_little_else() -> None:
    names = "abcdefghij"
    all_vectors = np.eye(10, dtype=np.float32)
    every = VectorStore.of(id_keys(names), all_vectors, ABOUT, Lineage.none()).permuted(0)
    fewer = VectorStore.of(id_keys(names[1:]), all_vectors[1:], ABOUT, Lineage.none()).permuted(0)
    keys = id_keys(names[1:])
    changed = (every.rows(keys) != fewer.rows(keys)).any(axis=1)
    assert changed.sum() == 1


def test_one_vector_has_no_permutation() -> None:
    with pytest.raises(UserError, match="at least two vectors to permute, got 1"):
        store("a").permuted(0)


@pytest.mark.parametrize("name", ["vectors.npy", "keys.npy", "about.json"])
@pytest.mark.parametrize("damage", ["gone", "cut"])
def test_a_damaged_folder_is_one_line(tmp_path: Path, name: str, damage: str) -> None:
    store().save(tmp_path)
    path = tmp_path / name
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(UserError, match=name):
        VectorStore.read(tmp_path)


def test_arrays_that_do_not_match_are_one_line(tmp_path: Path) -> None:
    store().save(tmp_path)
    np.save(tmp_path / "keys.npy", id_keys("ab"))
    with pytest.raises(UserError, match="one float32 vector for each key"):
        VectorStore.read(tmp_path)
