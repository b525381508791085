"""Ids as a stage: what goes into them, what they remember, what is made again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from p5rec.core.artefacts import Artefact, Lineage, Store
from p5rec.core.types import Corpus
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.ids.config import IdsConfig
from p5rec.ids.encoder import load_encoder
from p5rec.ids.files import load_codes, load_item_ids
from p5rec.ids.make import VECTORS
from p5rec.pipeline.ids import build_ids

SASREC = {"dim": 16, "layers": 1, "steps": 120, "window": 12}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    world = {"kind": "checkerboard", "users": 80, "items": 30, "events": 12}
    return build(DataConfig(source="world", world=world))[0]


@pytest.fixture
def make(corpus: Corpus, tmp_path: Path) -> Any:
    store = Store(tmp_path / "store", lambda _: None, 0)
    data = store.stage("data", lambda _: Lineage.none(), config={}, code=())

    def run(**settings: Any) -> Artefact:
        bare = {"text": None, "cooccurrence": None, **settings.pop("vectors", {})}
        config = IdsConfig(**{"levels": 2, "codebook": 6, "vectors": bare, **settings})
        return build_ids(config, corpus, data, store)

    return run


def test_vectors_of_a_small_recommender_are_learned_once(
    make: Any, corpus: Corpus, tmp_path: Path
) -> None:
    first = make(vectors={"sasrec": SASREC})
    (vectors,) = (tmp_path / "store" / "sasrec").glob(f"*/{VECTORS}")
    table = np.load(vectors)
    seen = np.bincount(corpus.interactions.items[corpus.split.mask("train")], minlength=30) > 0
    assert table.shape == (30, 16)
    np.testing.assert_array_equal(np.isnan(table[:, 0]), ~seen)
    seen_of = first.lineage.among(corpus.interactions.event_keys)
    assert np.array_equal(seen_of, corpus.split.mask("train"))
    # items of a colour lie together: nobody mixes the two
    colour = np.array([int(name[1:]) % 2 for name in corpus.catalog.ids])[seen]
    unit = table[seen] / np.linalg.norm(table[seen], axis=1, keepdims=True)
    alike, same = unit @ unit.T, np.equal.outer(colour, colour)
    assert alike[same].mean() > alike[~same].mean() + 0.2
    assert not make(vectors={"sasrec": SASREC}).fresh
    other = make(vectors={"sasrec": SASREC}, codebook=7)
    assert other.fresh
    assert len(list((tmp_path / "store" / "sasrec").glob(f"*/{VECTORS}"))) == 1
    make(vectors={"sasrec": SASREC}, seed=1)
    assert len(list((tmp_path / "store" / "sasrec").glob(f"*/{VECTORS}"))) == 2


def test_a_changed_file_of_vectors_is_read_anew(make: Any, tmp_path: Path) -> None:
    path, rng = tmp_path / "own.npy", np.random.default_rng(0)
    np.save(path, rng.normal(size=(30, 5)))
    first = make(vectors={"file": {"path": str(path)}})
    assert not len(first.lineage.events)
    assert not make(vectors={"file": {"path": str(path)}}).fresh
    np.save(path, rng.normal(size=(30, 5)))
    assert make(vectors={"file": {"path": str(path)}}).key != first.key


def test_the_stage_keeps_codes_what_made_them_and_their_figures(make: Any, corpus: Corpus) -> None:
    made = make(vectors={"cooccurrence": {"dim": 4}}).path
    assert load_item_ids(made) == corpus.catalog.ids
    assert load_codes(made).sizes == (6, 6)
    assert load_encoder(made).config.codebook == 6
    figures = json.loads((made / "quality.json").read_text())
    assert figures["next_item_bits"] > figures["next_item_bits_permuted"]
    assert len(figures["samples"]) == 6
