"""Items of click models as hashes, n-grams or pieces of semantic ids: exact facts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from prefix_world import prefix_codes, prefix_world

from p5rec.core.errors import UserError
from p5rec.core.item_codes import ItemCodes
from p5rec.core.types import Catalog, Corpus
from p5rec.data.click_instances import click_instances
from p5rec.ids.files import save_codes
from p5rec.methods.click.item_values import ngram_values, piece_values
from p5rec.methods.click.training import fit
from p5rec.methods.registry import METHODS

pytestmark = pytest.mark.system("semantic-id-features")

REPRESENTATIONS = ("hash", "ngrams", "pieces")
FAST = {"tune": {}, "epochs": 2, "patience": 0, "rows": 64}
DEEP = {"embedding": 4, "hidden": (8,)}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return prefix_world(planted=True, users=20, events=16)


@pytest.fixture(scope="module")
def ids(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ids")
    save_codes(prefix_codes(), folder, corpus.catalog.ids)
    return folder


def method_of(kind: str, item: str, **settings: Any) -> Any:
    deep = {} if kind == "logistic" else DEEP
    return METHODS.get(kind)(**{**FAST, **deep, "item": item, **settings})


def values_of(item: str, corpus: Corpus, ids: Path, **settings: Any) -> list[list[int]]:
    method = method_of("deepfm", item, **settings)
    return [list(own) for own in method.item_values(corpus, 3, {"ids": ids}).values]


@pytest.mark.parametrize("item", REPRESENTATIONS)
def test_every_item_has_values_of_the_table(item: str, corpus: Corpus, ids: Path) -> None:
    values = values_of(item, corpus, ids)
    assert len(values) == len(corpus.catalog)
    assert min(map(min, values)) >= 1
    assert max(map(max, values)) <= 64


@pytest.mark.parametrize("kind", ["logistic", "deepfm", "dcnv2", "din"])
def test_representations_have_equal_numbers_of_parameters(
    kind: str, corpus: Corpus, ids: Path
) -> None:
    counts = set()
    for item in REPRESENTATIONS:
        model = fit(method_of(kind, item, epochs=1), corpus, 3, {"ids": ids}).model
        counts.add(sum(each.numel() for each in model.parameters()))
    assert len(counts) == 1


@pytest.mark.parametrize("kind", ["logistic", "deepfm", "din"])
@pytest.mark.parametrize("item", REPRESENTATIONS)
def test_a_reloaded_model_has_identical_predictions(
    kind: str, item: str, corpus: Corpus, ids: Path, tmp_path: Path
) -> None:
    method, test = method_of(kind, item), click_instances(corpus, "test", 0)
    model = fit(method, corpus, 3, {"ids": ids})
    model.save(tmp_path)
    again, loaded = fit(method, corpus, 3, {"ids": ids}), method.load(tmp_path)
    expected = model.predict_click(test.histories, test.items).tobytes()
    for each in (again, loaded):
        assert each.predict_click(test.histories, test.items).tobytes() == expected


def test_items_of_one_prefix_share_values(corpus: Corpus, ids: Path) -> None:
    values = np.array(values_of("ngrams", corpus, ids, rows=1000))
    codes = prefix_codes().codes
    for length in (1, 2, 3):
        prefixes = np.unique(codes[:, :length], axis=0, return_inverse=True)[1]
        pairs = np.unique(np.stack([prefixes.ravel(), values[:, length - 1]]), axis=1)
        assert pairs.shape[1] == len(np.unique(values[:, length - 1])) == prefixes.max() + 1
    assert len(np.unique(values)) == 12 + 60 + 240  # no two n-grams share a row


def test_n_grams_without_a_row_of_their_own_are_hashed(corpus: Corpus, ids: Path) -> None:
    values = np.array(values_of("ngrams", corpus, ids, rows=40))
    assert len(np.unique(values[:, 0])) == 12
    assert values[:, 0].max() < values[:, 1].min() <= values[:, 1].max() < values[:, 2].min()
    assert values.max() <= 40


def test_n_grams_of_codes() -> None:
    codes = ItemCodes(np.array([[0, 1, 2], [0, 1, 0], [1, 1, 2]], np.int32), (2, 2, 3), "x")
    unigrams = np.array(ngram_values(codes, 9, "unigrams", 0).values)
    assert [len(np.unique(column)) for column in unigrams.T] == [2, 1, 2]
    bigrams = np.array(ngram_values(codes, 9, "bigrams", 0).values)
    assert bigrams[0, 0] == bigrams[1, 0] != bigrams[2, 0]
    assert bigrams[0, 1] == bigrams[2, 1] != bigrams[1, 1]
    numbered = ItemCodes(codes.codes, codes.sizes, "x", tied=True)
    assert np.array(ngram_values(numbered, 9, "prefixes", 0).values).shape == (3, 2)


def test_frequent_codes_become_one_piece() -> None:
    rows = np.array([[0, 0, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1]], np.int32)
    codes = ItemCodes(rows, (2, 2, 2), "x")
    values = piece_values(codes, np.array([9, 5, 0, 0]), 7).values  # six codes and one piece
    assert [len(own) for own in values] == [2, 2, 3, 3]
    assert values[0][0] == values[1][0]
    whole = piece_values(codes, np.array([9, 5, 0, 0]), 100).values
    assert [len(own) for own in whole] == [1, 1, 3, 3]


def test_values_do_not_depend_on_held_out_events(corpus: Corpus, ids: Path) -> None:
    log = corpus.interactions
    held_out = ~corpus.split.mask("train")
    items = np.where(held_out, (log.items + 7) % len(corpus.catalog), log.items)
    other = replace(corpus, interactions=replace(log, items=items.astype(np.int32)))
    for item in REPRESENTATIONS:
        assert values_of(item, corpus, ids) == values_of(item, other, ids)


def test_a_hash_depends_on_the_item_alone(corpus: Corpus, ids: Path) -> None:
    log = corpus.interactions
    order = np.random.default_rng(0).permutation(len(corpus.catalog))
    other = replace(corpus, interactions=replace(log, item_keys=log.item_keys[order]))
    values = values_of("hash", corpus, ids)
    assert values_of("hash", other, ids) == [values[n] for n in order]


@pytest.mark.parametrize(("item", "least"), [("ngrams", 3), ("pieces", 12 + 5 + 4)])
def test_too_few_rows_are_an_error(item: str, least: int, corpus: Corpus, ids: Path) -> None:
    with pytest.raises(UserError, match=f"rows: expected at least {least}, .* got 2; raise it"):
        values_of(item, corpus, ids, rows=2)


def test_codes_of_other_items_are_an_error(corpus: Corpus, ids: Path) -> None:
    table = pa.table({"item": [f"x{n}" for n in range(len(corpus.catalog))]})
    with pytest.raises(UserError, match="item"):
        values_of("pieces", replace(corpus, catalog=Catalog(table)), ids)


def test_chosen_attributes_are_fields(corpus: Corpus, ids: Path) -> None:
    table = corpus.catalog.table.append_column("half", [[f"{n % 4 // 2}" for n in range(240)]])
    other = replace(corpus, catalog=Catalog(table))
    assert not list(method_of("deepfm", "hash", attributes=["half"]).check_data(other, ()))
    (line,) = method_of("deepfm", "hash", attributes=["halves"]).check_data(other, ())
    assert line == (
        "attributes: expected one of users or items, got 'halves'; did you mean 'half'?"
    )
    widths = {
        attributes: fields.users.fields + fields.items.fields
        for attributes in (None, ("half",), ())
        for method in [method_of("deepfm", "hash", epochs=1, attributes=attributes)]
        for fields in [fit(method, other, 3, {}).model.fields]
    }
    assert widths == {None: 3, ("half",): 3, (): 2}
