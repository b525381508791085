"""Ids as a stage: what goes into them, what they remember, what is made again."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
from p5rec.methods.base import Method
from p5rec.methods.baselines.bpr import Bpr
from p5rec.methods.baselines.sasrec import Sasrec
from p5rec.pipeline.fitting import fit_method
from p5rec.pipeline.ids import build_ids
from p5rec.pipeline.prepared import Prepared

SASREC = Sasrec(width=16, window=12, epochs=10, ema_epochs=1, tune={})


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    world = {"kind": "checkerboard", "users": 80, "items": 30, "events": 12}
    return build(DataConfig(source="synthetic", synthetic=world))[0]


@pytest.fixture
def make(corpus: Corpus, tmp_path: Path) -> Any:
    store = Store(tmp_path / "store", lambda _: None, 0)
    data = store.stage("data", lambda _: Lineage.none(), config={}, code=())

    def run(
        views: Mapping[str, Method] | None = None, repeats: int = 1, **settings: Any
    ) -> list[Artefact]:
        bare = {"text": None, "cooccurrence": None, **settings.pop("vectors", {})}
        bare["methods"] = {name: {"method": each.dump()} for name, each in (views or {}).items()}
        config = IdsConfig(**{"levels": 2, "codebook": 6, "vectors": bare, **settings})
        return build_ids(config, views or {}, Prepared(corpus, data, store), repeats)

    return run


def stages(store: Path, name: str) -> int:
    return len(list((store / name).glob("*/lineage.npy")))


def test_vectors_of_a_method_are_made_once(make: Any, corpus: Corpus, tmp_path: Path) -> None:
    (first,) = make(views={"deep": SASREC})
    (vectors,) = (tmp_path / "store" / "vectors").glob(f"*/{VECTORS}")
    table = np.load(vectors)
    seen = np.bincount(corpus.interactions.items[corpus.split.mask("train")], minlength=30) > 0
    assert (table.shape, table.dtype) == ((30, 16), np.float32)
    np.testing.assert_array_equal(np.isnan(table[:, 0]), ~seen)
    seen_of = first.lineage.contains(corpus.interactions.event_keys)
    assert np.array_equal(seen_of, corpus.split.mask("train"))
    # items of a colour lie together: nobody mixes the two
    colour = np.array([int(name[1:]) % 2 for name in corpus.catalog.ids])[seen]
    alike, same = table[seen] @ table[seen].T, np.equal.outer(colour, colour)
    assert alike[same].mean() > alike[~same].mean() + 0.2
    assert not make(views={"deep": SASREC})[0].fresh
    assert make(views={"deep": SASREC}, codebook=7)[0].fresh
    assert make(views={"deep": SASREC, "plain": Bpr(epochs=2, tune={})})[0].fresh
    assert stages(tmp_path / "store", "fit") == 2


def test_codes_of_a_seed_read_the_model_of_that_seed(
    make: Any, corpus: Corpus, tmp_path: Path
) -> None:
    runs = make(views={"deep": SASREC}, repeats=2)
    assert stages(tmp_path / "store", "vectors") == 2
    store = Store(tmp_path / "store", lambda _: None, 0)
    data = store.stage("data", lambda _: Lineage.none(), config={}, code=())
    fitted = fit_method(SASREC, Prepared(corpus, data, store), repeats=2)
    assert not any(run.fit_stage.fresh for run in fitted)  # one fit for the ids and for the lists
    for made, run in zip(runs, fitted, strict=True):
        key = made.manifest["inputs"]["deep vectors"]
        vectors = np.load(tmp_path / "store" / "vectors" / key / VECTORS)
        np.testing.assert_array_equal(vectors, SASREC.load(run.folder).item_vectors())


def test_new_items_get_codes_where_a_method_knew_the_old_ones(
    make: Any, corpus: Corpus, tmp_path: Path
) -> None:
    path, rng = tmp_path / "own.npy", np.random.default_rng(0)
    np.save(path, rng.normal(size=(30, 5)))
    (made,) = make(vectors={"file": {"path": str(path)}}, views={"deep": SASREC}, codebook=8)
    encoder, codes = load_encoder(made.path), load_codes(made.path)
    assert list(encoder.config.vectors.weights) == ["deep", "file"]
    new = np.arange(3)  # as if they were new: only their content is known
    given = {"file": rng.normal(size=(3, 5)).astype(np.float32)}
    placed = encoder.extend(codes, corpus, new, given)
    assert placed.shape == (3, 2)
    assert not {*map(tuple, placed.tolist())} & {*map(tuple, codes.codes.tolist())}


def test_a_changed_file_of_vectors_is_read_anew(make: Any, tmp_path: Path) -> None:
    path, rng = tmp_path / "own.npy", np.random.default_rng(0)
    np.save(path, rng.normal(size=(30, 5)))
    (first,) = make(vectors={"file": {"path": str(path)}})
    assert not len(first.lineage.events)
    assert not make(vectors={"file": {"path": str(path)}})[0].fresh
    np.save(path, rng.normal(size=(30, 5)))
    assert make(vectors={"file": {"path": str(path)}})[0].key != first.key


def test_the_stage_keeps_codes_what_made_them_and_their_figures(make: Any, corpus: Corpus) -> None:
    made = make(vectors={"cooccurrence": {"dim": 4}})[0].path
    assert load_item_ids(made) == corpus.catalog.ids
    assert load_codes(made).sizes == (6, 6)
    assert load_encoder(made).config.codebook == 6
    figures = json.loads((made / "codebook_metrics.json").read_text())
    assert figures["next_item_bits"] > figures["next_item_bits_permuted"]
    assert len(figures["samples"]) == 6
