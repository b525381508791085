"""The stages of texts and vectors: lineage, bits, controls, and methods that need them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from nearest_vectors import NearestVectors
from noted_prompts import write_noted
from small_corpora import make_view
from tiny_models import save_llama

from p5rec.backbones.stored_vectors import encode_like
from p5rec.backbones.vectors_config import StoredVectorsConfig
from p5rec.core.artefacts import Lineage, Store
from p5rec.core.errors import UserError
from p5rec.core.rng import id_keys
from p5rec.core.types import TRAIN, Catalog, Corpus
from p5rec.data.entity_texts import item_texts, training_reviews
from p5rec.data.stored_texts import StoredTexts
from p5rec.data.vector_store import VectorStore
from p5rec.ids.config import IdsConfig
from p5rec.methods.registry import METHODS
from p5rec.methods.stored_sections import check_stored
from p5rec.pipeline.fitting import fit_method
from p5rec.pipeline.ids import build_ids
from p5rec.pipeline.prepared import Prepared
from p5rec.pipeline.stored_plans import StoredPlan, stored_plans
from p5rec.pipeline.vectors import build_texts, build_vectors, stored_context
from p5rec.recommend.writing import write
from p5rec.recommend.writing.config import TextsConfig
from p5rec.recommend.writing.local import LocalWriter


def small_corpus() -> Corpus:
    """The items' external ids match their keys."""
    corpus = make_view().corpus
    log = replace(
        corpus.interactions,
        item_keys=id_keys(corpus.catalog.ids),
        user_keys=id_keys(corpus.user_ids),
    )
    return replace(corpus, interactions=log)


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    store = Store(tmp_path / "store", lambda _: None, 0)
    data = store.stage("data", lambda _: Lineage.none(), config={}, code=())
    return Prepared(small_corpus(), data, store)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_llama(tmp_path_factory.mktemp("encoder")))


def text_file(path: Path, **texts: str) -> dict[str, Any]:
    rows = [json.dumps({"item": item, "text": text}) for item, text in texts.items()]
    path.write_text("\n".join(rows))
    return {"of": "items", "generator": {"kind": "file", "path": str(path)}}


def recipe(vectors: dict[str, Any], texts: dict[str, Any] | None = None) -> Any:
    return SimpleNamespace(
        texts={name: TextsConfig(**section) for name, section in (texts or {}).items()},
        vectors={name: StoredVectorsConfig(**section) for name, section in vectors.items()},
    )


def stored(prepared: Prepared, config: Any, name: str = "one") -> VectorStore:
    return VectorStore.read(stored_context(config, prepared).vectors[name][0].path)


def test_stored_vectors_equal_recomputation_to_the_bit(prepared: Prepared, model: str) -> None:
    store = stored(prepared, recipe({"one": {"metadata": "items", "encoder": model, "layer": 1}}))
    corpus = prepared.corpus
    texts = item_texts(corpus.catalog)
    assert len(store) == len(texts)
    rows = store.rows(corpus.interactions.item_keys)
    assert np.array_equal(encode_like(store.about, texts), rows)
    assert np.array_equal(encode_like(store.about, texts[7:9]), rows[7:9]), "whatever the batch"
    assert not len(store.lineage.events)
    assert store.about.hashes["model.safetensors"]


def test_vectors_of_an_item_table_stay_where_only_events_change(
    prepared: Prepared, model: str
) -> None:
    config = StoredVectorsConfig(metadata="items", encoder=model)
    other = prepared.store.stage("data", lambda _: Lineage.none(), config={"n": 1}, code=())
    one = build_vectors("one", config, {}, prepared)
    assert build_vectors("one", config, {}, replace(prepared, data=other)).key == one.key
    table = prepared.corpus.catalog.table
    titles = ["another", *table["title"].to_pylist()[1:]]
    column = table.column_names.index("title")
    retitled = Catalog(table.set_column(column, "title", pa.array(titles)))
    changed = replace(prepared, corpus=replace(prepared.corpus, catalog=retitled))
    assert build_vectors("one", config, {}, changed).key != one.key


def test_vectors_know_the_events_behind_their_texts(
    prepared: Prepared, model: str, tmp_path: Path
) -> None:
    config = recipe(
        {"one": {"texts": "tastes", "encoder": model}},
        {"tastes": {"of": "users", "family": "describe-user",
                    "generator": {"backbone": {"name": model}, "max_new_tokens": 3}}},
    )  # fmt: skip
    log, profile = prepared.corpus.interactions, prepared.corpus.split.of_event == TRAIN
    context = stored_context(config, prepared)
    (stage,) = context.vectors["one"]
    store = VectorStore.read(stage.path)
    assert np.array_equal(store.lineage.events, np.sort(log.event_keys[profile]))
    assert store.about.source == "texts tastes"
    assert store.about.hashes["texts"] == context.texts["tastes"].key
    store.save(tmp_path / "copy")
    assert VectorStore.read(tmp_path / "copy").lineage.events.tolist() == (
        store.lineage.events.tolist()
    )
    known, texts = StoredTexts.read(context.texts["tastes"].path).usable()
    assert np.array_equal(store.rows(known), encode_like(store.about, texts), equal_nan=True)


def test_an_interrupted_stage_of_texts_resumes(
    prepared: Prepared, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write, "SHARD_SIZE", 10)
    generator = {"backbone": {"name": model}, "max_new_tokens": 3}
    config = TextsConfig(of="items", family="describe-item", generator=generator)
    real, asked = LocalWriter.write, []

    def fails_once(self: LocalWriter, requests: Any) -> Any:
        asked.append(len(requests))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return real(self, requests)

    monkeypatch.setattr(LocalWriter, "write", fails_once)
    with pytest.raises(KeyboardInterrupt):
        build_texts("about", config, None, prepared)
    stored = StoredTexts.read(build_texts("about", config, None, prepared).path)
    assert len(stored.table) == 40
    assert asked == [10] * 5, "the first two shards are not written again"


def test_texts_that_show_earlier_texts_follow_them(prepared: Prepared, tmp_path: Path) -> None:
    write_noted(tmp_path)
    path = tmp_path / "first.jsonl"
    prompts = {"folders": [str(tmp_path)], "notes": "first"}
    texts = {
        "first": {"of": "users", "generator": {"kind": "file", "path": str(path)}},
        "second": {
            "of": "users", "family": "noted", "prompts": prompts, "generator": {"kind": "prompt"},
        },
    }  # fmt: skip
    user, keys, found = prepared.corpus.user_ids[0], prepared.corpus.interactions.user_keys, []
    for note in ("quiet", "loud"):
        path.write_text(json.dumps({"user": user, "text": note}) + "\n")
        stage = stored_context(recipe({}, texts), prepared).texts["second"]
        found.append(StoredTexts.read(stage.path).of_keys(keys[:1])[0])
    assert found == ["Known: quiet", "Known: loud"]


def test_an_item_without_a_text_has_no_vector(
    prepared: Prepared, model: str, tmp_path: Path
) -> None:
    lines: list[str] = []
    prepared = replace(prepared, store=Store(tmp_path / "store", lines.append, 0))
    texts = text_file(tmp_path / "t.jsonl", **{"external-1": "One.", "external-2": " "})
    config = recipe({"one": {"texts": "own", "encoder": model}}, {"own": texts})
    rows = stored(prepared, config).rows(prepared.corpus.interactions.item_keys)
    assert np.flatnonzero(~np.isnan(rows[:, 0])).tolist() == [1]
    assert "vectors one: 1 of 40 items have a vector" in lines
    assert any(line.startswith("texts own: 1 of 40 items have a text") for line in lines)


def test_nothing_with_a_text_is_one_line(prepared: Prepared, model: str, tmp_path: Path) -> None:
    texts = text_file(tmp_path / "t.jsonl", **{"external-1": " "})
    config = recipe({"one": {"texts": "own", "encoder": model}}, {"own": texts})
    with pytest.raises(UserError, match="vectors from texts own: expected items with a text"):
        stored(prepared, config)
    users = recipe({"one": {"metadata": "users", "encoder": model}})
    with pytest.raises(UserError, match="expected users with a text, got none"):
        stored(prepared, users)


def test_the_control_permutes_the_same_vectors(prepared: Prepared, model: str) -> None:
    plain = {"metadata": "items", "encoder": model}
    config = recipe({"one": plain, "control": {**plain, "permuted": True}})
    context = stored_context(config, prepared, range(2))
    (straight,), controls = context.vectors["one"], context.vectors["control"]
    assert [VectorStore.read(each.path).about.permuted for each in controls] == [0, 1]
    store, permuted = VectorStore.read(straight.path), VectorStore.read(controls[0].path)
    assert np.array_equal(permuted.vectors, store.permuted(0).vectors)
    assert controls[0].manifest["inputs"]["vectors"] == straight.key, "encoded once"


@pytest.mark.parametrize("reviews", ["events", "items", "users"])
def test_vectors_of_reviews(prepared: Prepared, model: str, reviews: str) -> None:
    store = stored(prepared, recipe({"one": {"reviews": reviews, "encoder": model}}))
    log, split = prepared.corpus.interactions, prepared.corpus.split
    column = log.texts["review"].to_pylist()
    events = np.array(
        [e for e in np.flatnonzero(split.of_event == TRAIN) if (column[e] or "").strip()]
    )
    assert np.array_equal(store.lineage.events, np.sort(log.event_keys[events]))
    of_event = encode_like(store.about, [column[e].strip() for e in events])
    if reviews == "events":
        assert np.array_equal(store.rows(log.event_keys[events]), of_event)
        return
    rows, keys = (log.users, log.user_keys) if reviews == "users" else (log.items, log.item_keys)
    for row in set(rows[events].tolist()):
        mean = of_event[rows[events] == row].astype(np.float64).mean(axis=0)
        expected = mean / np.linalg.norm(mean)
        np.testing.assert_allclose(store.rows(keys[[row]])[0], expected, atol=1e-6)


def test_finished_vectors_from_a_file(prepared: Prepared, tmp_path: Path) -> None:
    path = tmp_path / "v.parquet"
    frame = {"item": ["external-3", "nowhere"], "vector": [[1.0, 2.0], [3.0, 4.0]]}
    pl.DataFrame(frame).write_parquet(path)
    store = stored(prepared, recipe({"one": {"file": {"path": str(path)}}}))
    assert len(store) == 1
    assert store.rows(prepared.corpus.interactions.item_keys[3:4]).tolist() == [[1.0, 2.0]]
    with pytest.raises(UserError, match="expected vectors of an encoder, got finished ones"):
        encode_like(store.about, ["new"])


def test_ids_use_the_same_stage(prepared: Prepared, model: str) -> None:
    metadata = StoredVectorsConfig(metadata="items", encoder=model)
    own = build_vectors("one", metadata, {}, prepared)
    vectors = {"text": model, "cooccurrence": None}
    (ids,) = build_ids(IdsConfig(levels=2, codebook=8, vectors=vectors), {}, prepared)
    assert ids.manifest["inputs"]["text vectors"] == own.key


def test_a_method_reads_the_stages_that_it_needs(
    prepared: Prepared, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS._targets, "nearest-vectors", "nearest_vectors:NearestVectors")
    plain = {"metadata": "items", "encoder": model}
    texts = text_file(tmp_path / "t.jsonl", **{f"external-{n}": "Some." for n in range(20)})
    config = recipe({"one": plain, "control": {**plain, "permuted": True}}, {"own": texts})
    context = stored_context(config, prepared)
    method = NearestVectors(vectors="one", texts="own")
    check_stored(config, {"near": method})
    (fitted,) = fit_method(method, prepared, context)
    inputs = fitted.fit_stage.manifest["inputs"]
    assert inputs["vectors"] == context.vectors["one"][0].key
    assert inputs["texts"] == context.texts["own"].key
    vectors = method.load(fitted.folder).vectors
    assert vectors[:20].any(axis=1).all()
    assert not vectors[20:].any()
    (control,) = fit_method(NearestVectors(vectors="control"), prepared, context)
    assert control.fit_stage.key != fitted.fit_stage.key


def test_unknown_names_are_found_before_the_run(tmp_path: Path) -> None:
    texts = text_file(tmp_path / "t.jsonl", a="A.")
    config = recipe(
        {"one": {"texts": "owm"}, "two": {"file": {"path": str(tmp_path / "no.npy")}}},
        {"own": texts},
    )
    with pytest.raises(UserError) as caught:
        check_stored(config, {"near": NearestVectors(vectors="ones", texts="own")})
    lines = "\n".join(caught.value.lines)
    assert "vectors.one.texts: expected the name of texts of the recipe, got 'owm'" in lines
    assert "methods.near: expected the name of vectors of the recipe, got 'ones'" in lines
    assert "no.npy: expected a file or folder, got nothing there" in lines


def test_a_fit_without_a_recipe_is_one_line(prepared: Prepared) -> None:
    with pytest.raises(UserError, match="expected a recipe whose section vectors has it"):
        fit_method(NearestVectors(vectors="one"), prepared)


def test_texts_and_vectors_are_counted_before_they_are_made(
    prepared: Prepared, tmp_path: Path
) -> None:
    file = text_file(tmp_path / "facts.jsonl", i0="a fact")
    taste = {"of": "users", "family": "describe-user", "sample": 3,
             "generator": {"backbone": {"name": "smollm2"}, "max_new_tokens": 9}}  # fmt: skip
    made = recipe(
        {
            "records": {"metadata": "items", "max_tokens": 20},
            "controls": {"metadata": "items", "permuted": True},
            "tastes": {"texts": "taste"},
            "said": {"reviews": "events"},
        },
        {"taste": taste, "facts": file},
    )
    corpus = prepared.corpus
    plans = stored_plans(made.texts, made.vectors, corpus)
    assert [*plans] == [
        "texts taste",
        "texts facts",
        "vectors records",
        "vectors tastes",
        "vectors said",
    ]
    assert plans["texts taste"] == StoredPlan(3, "users", "local", 9)
    assert plans["texts facts"].texts == len(corpus.catalog)
    count = sum(map(bool, item_texts(corpus.catalog)))
    line = f"  {count} texts about items by minilm, at most 20 tokens each"
    assert plans["vectors records"].lines() == [line]
    assert plans["vectors tastes"].texts == 3
    assert plans["vectors said"].texts == len(training_reviews(corpus)[0])
