"""The stages of semantic ids: inputs, lineage and caching."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from p5rec.core.artefacts import Artefact, Lineage, Store
from p5rec.core.errors import UserError
from p5rec.core.types import Corpus
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.vector_store import VectorStore
from p5rec.ids.config import IdsConfig
from p5rec.ids.encoder import load_encoder
from p5rec.ids.files import load_codes, load_item_ids
from p5rec.methods.base import Method
from p5rec.methods.baselines.bpr import Bpr
from p5rec.methods.baselines.sasrec import Sasrec
from p5rec.pipeline.fitting import fit_method
from p5rec.pipeline.ids import build_ids, extend_ids
from p5rec.pipeline.prepared import Prepared

SASREC = Sasrec(width=16, window=12, epochs=10, ema_epochs=1, tune={})


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    synthetic = {"kind": "checkerboard", "users": 80, "items": 30, "events": 12}
    return build(DataConfig(source="synthetic", synthetic=synthetic))[0]


@pytest.fixture
def make(corpus: Corpus, tmp_path: Path) -> Any:
    store = Store(tmp_path / "store", lambda _: None, 0)
    data = store.stage("data", lambda _: Lineage.none(), config={}, code=())

    def run(
        views: Mapping[str, Method] | None = None, repeats: int = 1, **settings: Any
    ) -> list[Artefact]:
        vector_settings = {"text": None, "cooccurrence": None, **settings.pop("vectors", {})}
        vector_settings["methods"] = {
            name: {"method": each.dump()} for name, each in (views or {}).items()
        }
        config = IdsConfig(**{"levels": 2, "codebook": 6, "vectors": vector_settings, **settings})
        return build_ids(config, views or {}, Prepared(corpus, data, store), repeats)

    return run


def stages(store: Path, name: str) -> int:
    return len(list((store / name).glob("*/lineage.npy")))


def test_vectors_of_a_method_are_cached(make: Any, corpus: Corpus, tmp_path: Path) -> None:
    (first,) = make(views={"deep": SASREC})
    (vectors,) = (tmp_path / "store" / "vectors").glob("[!.]*")
    table = VectorStore.read(vectors).rows(corpus.interactions.item_keys)
    seen = np.bincount(corpus.interactions.items[corpus.split.mask("train")], minlength=30) > 0
    assert (table.shape, table.dtype) == ((30, 16), np.float32)
    np.testing.assert_array_equal(np.isnan(table[:, 0]), ~seen)
    seen_of = first.lineage.contains(corpus.interactions.event_keys)
    assert np.array_equal(seen_of, corpus.split.mask("train"))
    # items of a colour are similar: no user mixes the two
    colour = np.array([int(name[1:]) % 2 for name in corpus.catalog.ids])[seen]
    alike, same = table[seen] @ table[seen].T, np.equal.outer(colour, colour)
    assert alike[same].mean() > alike[~same].mean() + 0.2
    assert not make(views={"deep": SASREC})[0].fresh
    assert make(views={"deep": SASREC}, codebook=7)[0].fresh
    assert make(views={"deep": SASREC, "plain": Bpr(epochs=2, tune={})})[0].fresh
    assert stages(tmp_path / "store", "fit") == 2


def test_codes_of_a_seed_use_the_model_of_that_seed(
    make: Any, corpus: Corpus, tmp_path: Path
) -> None:
    runs = make(views={"deep": SASREC}, repeats=2)
    assert stages(tmp_path / "store", "vectors") == 2
    store = Store(tmp_path / "store", lambda _: None, 0)
    data = store.stage("data", lambda _: Lineage.none(), config={}, code=())
    fitted = fit_method(SASREC, Prepared(corpus, data, store), repeats=2)
    assert not any(run.fit_stage.fresh for run in fitted)  # one fit for the ids and for the lists
    for ids, run in zip(runs, fitted, strict=True):
        key = ids.manifest["inputs"]["deep vectors"]
        folder = tmp_path / "store" / "vectors" / key
        vectors = VectorStore.read(folder).rows(corpus.interactions.item_keys)
        np.testing.assert_array_equal(vectors, SASREC.load(run.folder).item_vectors())


def test_new_items_get_codes_from_their_content(make: Any, corpus: Corpus, tmp_path: Path) -> None:
    path, rng = tmp_path / "own.npy", np.random.default_rng(0)
    np.save(path, rng.normal(size=(30, 5)))
    (ids,) = make(vectors={"file": {"path": str(path)}}, views={"deep": SASREC}, codebook=8)
    encoder, codes = load_encoder(ids.path), load_codes(ids.path)
    assert list(encoder.config.vectors.weights) == ["deep", "file"]
    new = np.arange(3)  # treated as new: only their content is known
    vectors = {"file": rng.normal(size=(3, 5)).astype(np.float32)}
    new_codes = encoder.extend(codes, corpus, new, vectors)
    assert new_codes.shape == (3, 2)
    assert not {*map(tuple, new_codes.tolist())} & {*map(tuple, codes.codes.tolist())}


def test_a_changed_file_of_vectors_makes_new_ids(make: Any, tmp_path: Path) -> None:
    path, rng = tmp_path / "own.npy", np.random.default_rng(0)
    np.save(path, rng.normal(size=(30, 5)))
    (first,) = make(vectors={"file": {"path": str(path)}})
    assert not len(first.lineage.events)
    assert not make(vectors={"file": {"path": str(path)}})[0].fresh
    np.save(path, rng.normal(size=(30, 5)))
    assert make(vectors={"file": {"path": str(path)}})[0].key != first.key


def test_the_stage_saves_codes_encoder_and_metrics(make: Any, corpus: Corpus) -> None:
    ids = make(vectors={"cooccurrence": {"dim": 4}})[0].path
    assert load_item_ids(ids) == corpus.catalog.ids
    assert load_codes(ids).sizes == (6, 6)
    assert load_encoder(ids).config.codebook == 6
    metrics = json.loads((ids / "codebook_metrics.json").read_text())
    assert metrics["next_item_bits"] > metrics["next_item_bits_permuted"]
    assert len(metrics["samples"]) == 6


def test_external_ids_are_not_coded(tmp_path: Path) -> None:
    said: list[str] = []
    store = Store(tmp_path / "store", said.append, 0)
    data = store.stage("data", lambda _: Lineage.none(), config={}, code=())
    rows = [
        f"u{user},{(5 * user + 3 * step) % 24},{step}" for user in range(20) for step in range(6)
    ]
    (tmp_path / "log.csv").write_text("\n".join(["user,item,time", *rows]))
    corpus = build(DataConfig(source="table", path=str(tmp_path / "log.csv")))[0]
    prepared = Prepared(corpus, data, store)
    settings = {"levels": 2, "codebook": 6}
    for cooccurrence in ({"dim": 4}, None):
        vectors = {"text": "tiny", "cooccurrence": cooccurrence}
        (ids,) = build_ids(IdsConfig(**settings, vectors=vectors), {}, prepared)
        assert "ids: no item has a title or an attribute; coded by cooccurrence" in said
        assert [*load_encoder(ids.path).config.vectors.weights] == ["cooccurrence"]
    with pytest.raises(UserError, match="scheme: title: expected items with a title, got none"):
        build_ids(IdsConfig(**settings, scheme="title", vectors=vectors), {}, prepared)


def test_extended_ids_depend_on_the_file_of_vectors(
    make: Any, corpus: Corpus, tmp_path: Path
) -> None:
    path, rng = tmp_path / "own.npy", np.random.default_rng(0)
    np.save(path, rng.normal(size=(30, 5)))
    (ids,) = make(vectors={"file": {"path": str(path)}})
    store = Store(tmp_path / "store", lambda _: None, 0)
    prepared = Prepared(corpus, ids, store)
    assert extend_ids(ids.path, prepared).fresh
    assert not extend_ids(ids.path, prepared).fresh
    np.save(path, rng.normal(size=(30, 5)))
    assert extend_ids(ids.path, prepared).fresh


def test_codes_without_an_encoder_serve_the_items_that_they_have(
    make: Any, corpus: Corpus, tmp_path: Path
) -> None:
    path = tmp_path / "own.npy"
    np.save(path, np.random.default_rng(0).normal(size=(30, 5)))
    (ids,) = make(vectors={"file": {"path": str(path)}}, permute=True)
    store = Store(tmp_path / "store", lambda _: None, 0)
    path.unlink()  # not needed without new items
    extended = extend_ids(ids.path, Prepared(corpus, ids, store))
    assert np.array_equal(load_codes(extended.path).codes, load_codes(ids.path).codes)
