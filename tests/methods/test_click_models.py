"""Click models as methods: planted interactions, unknown users and items, labels, side vectors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from p5rec.core.artefacts import Lineage
from p5rec.core.errors import UserError
from p5rec.core.features import Categories, Users
from p5rec.core.rng import id_keys
from p5rec.core.types import Catalog, Corpus, Histories, Interactions, Split
from p5rec.data.click_instances import ClickInstances, click_instances
from p5rec.data.split import histories_of
from p5rec.data.vector_store import AboutVectors, VectorStore
from p5rec.decode.allowed import Allowed
from p5rec.methods.click.features import bin_edges, fields_of, standardised
from p5rec.methods.registry import METHODS
from p5rec.metrics.area import auc

USERS, ITEMS, EVENTS = 60, 24, 16
NETWORKS = ("logistic", "fm", "deepfm", "dcnv2", "autoint", "din")
KINDS = (*NETWORKS, "boosted-trees")
FAST: dict[str, dict[str, Any]] = {
    **{kind: {"embedding": 4, "hidden": (8,), "dropout": 0.0, "l2": 0.5} for kind in NETWORKS[2:]},
    "logistic": {},
    "fm": {"embedding": 4, "l2": 0.5},
    "boosted-trees": {"leaf_instances": 5, "trees": 30},
}
PLANTED = {"learning_rate": 0.02, "epochs": 25}


def corpus_of(*, planted: bool = True, seed: int = 0) -> Corpus:
    """A user of team 0 or 1 clicks on items of the same side; null: clicks are coin flips."""
    rng = np.random.default_rng(seed)
    users = np.repeat(np.arange(USERS, dtype=np.int32), EVENTS)
    items = np.concatenate([rng.permutation(ITEMS)[:EVENTS] for _ in range(USERS)]).astype(np.int32)
    team, side = np.arange(USERS) % 2, np.arange(ITEMS) % 2
    coins = rng.integers(0, 2, len(users))
    labels = np.where(planted, team[users] == side[items], coins).astype(np.int8)
    keys = id_keys([f"u{n}" for n in range(USERS)]), id_keys([f"i{n}" for n in range(ITEMS)])
    log = Interactions(users, items, np.arange(len(users)), None, *keys, labels=labels)
    position = np.arange(len(users)) % EVENTS
    splits = np.select([position < 12, position < 14], [0, 1], 2).astype(np.int8)
    catalog = pa.table(
        {
            "item": [f"i{n}" for n in range(ITEMS)],
            "title": [f"Title {n}" for n in range(ITEMS)],
            "side": [f"side {n}" for n in side],
            "tags": [["a", "b"] if n % 3 else ["c"] for n in range(ITEMS)],
            "price": [None if n == 5 else float(n) for n in range(ITEMS)],
        }
    )
    ids = pa.table({"user": [f"u{n}" for n in range(USERS)], "team": [f"team {n}" for n in team]})
    return Corpus(log, Catalog(catalog), Users(ids), Split("by hand", splits, seed=1))


def fitted(
    kind: str, corpus: Corpus, folder: Path, inputs: Mapping[str, Path] = {}, **changes: Any
) -> Any:
    """A loaded predictor."""
    method = METHODS.get(kind)(**{"tune": {}, **FAST[kind], **changes})
    folder.mkdir(exist_ok=True)
    lineage = method.fit(corpus, folder, seed=3, inputs=inputs)
    assert len(lineage.events) == corpus.split.mask("train").sum()
    return method.load(folder)


def quality(model: Any, instances: ClickInstances) -> float:
    clicks = model.predict_click(instances.histories, instances.items)
    return float(auc(clicks, instances.labels > 0)[0])


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return corpus_of()


@pytest.fixture(scope="module")
def models(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All kinds, fitted to the planted corpus."""
    root = tmp_path_factory.mktemp("models")
    return {
        kind: fitted(kind, corpus, root / kind, **({} if kind == "boosted-trees" else PLANTED))
        for kind in KINDS
    }


@pytest.mark.parametrize("kind", ["fm", "deepfm", "dcnv2", "autoint", "din"])
def test_a_planted_interaction_is_found(kind: str, corpus: Corpus, models: Any) -> None:
    assert quality(models[kind], click_instances(corpus, "test", 0)) > 0.9


def test_first_order_weights_cannot_find_it(corpus: Corpus, models: Any) -> None:
    assert 0.3 < quality(models["logistic"], click_instances(corpus, "test", 0)) < 0.7


@pytest.mark.parametrize("kind", ["deepfm", "din", "boosted-trees"])
def test_nothing_is_found_among_coin_flips(kind: str, tmp_path: Path) -> None:
    corpus = corpus_of(planted=False)
    settings = {} if kind == "boosted-trees" else PLANTED
    model = fitted(kind, corpus, tmp_path / kind, **settings)
    held_out = click_instances(corpus, "test", 0)
    assert 0.3 < quality(model, held_out) < 0.7


@pytest.mark.parametrize("kind", KINDS)
def test_a_prediction_depends_on_its_request_alone(kind: str, corpus: Corpus, models: Any) -> None:
    instances = click_instances(corpus, "test", 0)
    histories, items = instances.histories, instances.items
    together = models[kind].predict_click(histories, items)
    order = np.random.default_rng(0).permutation(len(items))
    shuffled = models[kind].predict_click(histories.take(order), items[order])
    assert together[order].tobytes() == shuffled.tobytes()
    for row in (0, 7, len(items) - 1):
        rows = np.array([row])
        alone = models[kind].predict_click(histories.take(rows), items[rows])
        assert alone.tobytes() == together[rows].tobytes()
    assert len(models[kind].predict_click(histories.take(order[:0]), items[:0])) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_lists_are_ranked_by_probability(kind: str, corpus: Corpus, models: Any) -> None:
    histories = histories_of(corpus.interactions, np.arange(3))
    lists = models[kind].recommend(histories, ITEMS, exclude_seen=False)
    for row in range(3):
        same = histories.take(np.full(ITEMS, row))
        clicks = models[kind].predict_click(same, lists.items[row])
        np.testing.assert_allclose(lists.scores[row], clicks, rtol=1e-5)
        assert (np.diff(lists.scores[row]) <= 0).all()
    few = np.isin(np.arange(ITEMS), [2, 3, 11])
    chosen = models[kind].recommend(histories, 2, exclude_seen=False, allowed=Allowed(few))
    in_order = [[item for item in row if few[item]][:2] for row in lists.items]
    assert chosen.items.tolist() == in_order


@pytest.mark.parametrize("kind", KINDS)
def test_users_are_found_by_id_and_unknown_users_are_equal(
    kind: str, corpus: Corpus, models: Any
) -> None:
    log = corpus.interactions
    histories = histories_of(log, np.arange(4))
    items = np.array([0, 1, 2, 3])
    renumbered = replace(histories, users=np.array([9, 8, 7, 6], dtype=np.int32))
    own = models[kind].predict_click(histories, items)
    assert models[kind].predict_click(renumbered, items).tolist() == own.tolist()
    empty = np.zeros(0, np.int32), np.zeros(3, np.int64)
    strangers = Histories(np.array([0, -1], np.int32), *empty, id_keys(["new", "none"]))
    unknown = models[kind].predict_click(strangers, np.array([4, 4]))
    assert unknown[0] == unknown[1]
    assert 0 < unknown[0] < 1


@pytest.mark.parametrize("kind", ["deepfm", "boosted-trees"])
def test_items_without_training_events_have_their_attributes(kind: str, tmp_path: Path) -> None:
    corpus = corpus_of()
    new = np.isin(corpus.interactions.items, [20, 21])
    splits = np.where(new & (corpus.split.of_event == 0), -1, corpus.split.of_event)
    held_back = replace(corpus, split=replace(corpus.split, of_event=splits.astype(np.int8)))
    settings = {} if kind == "boosted-trees" else PLANTED
    model = fitted(kind, held_back, tmp_path / kind, **settings)
    histories = histories_of(corpus.interactions, np.array([0, 0, 1, 1]))
    clicks = model.predict_click(histories, np.array([20, 21, 20, 21]))
    assert len(set(clicks.tolist())) > 1
    if kind == "deepfm":
        assert min(clicks[[0, 3]]) > max(clicks[[1, 2]])


@pytest.mark.parametrize("kind", ["fm", "boosted-trees"])
def test_one_label_is_an_error(kind: str, corpus: Corpus, tmp_path: Path) -> None:
    log = corpus.interactions
    ones = replace(corpus, interactions=replace(log, labels=np.ones(len(log), np.int8)))
    with pytest.raises(UserError) as error:
        fitted(kind, ones, tmp_path / "one")
    (line,) = error.value.lines
    assert line == (
        "click training: expected positive and negative training events, got only label 1 "
        "(720 events); check data.label, or leave it out to sample negatives"
    )


def test_without_labels_negatives_are_sampled(corpus: Corpus, tmp_path: Path) -> None:
    log = corpus.interactions
    unlabelled = replace(corpus, interactions=replace(log, labels=None))
    model = fitted("fm", unlabelled, tmp_path / "fm", epochs=2)
    instances = click_instances(unlabelled, "test", 0)
    assert instances.sampled
    assert len(model.predict_click(instances.histories, instances.items)) == len(instances)


def test_equal_seeds_give_equal_models(corpus: Corpus, tmp_path: Path) -> None:
    histories, items = histories_of(corpus.interactions), np.zeros(USERS, dtype=np.int64)
    one, two = (
        fitted("deepfm", corpus, tmp_path / name, epochs=2).predict_click(histories, items)
        for name in "ab"
    )
    assert one.tobytes() == two.tobytes()


def test_context_is_read_and_may_be_unknown(corpus: Corpus, tmp_path: Path) -> None:
    log = corpus.interactions
    assert log.labels is not None
    day = Categories((1 - log.labels).astype(np.int32), ("good", "bad"))
    hour = np.where(log.labels, 8, 20).astype(np.float32)
    told = replace(corpus, interactions=replace(log, context={"day": day, "hour": hour}))
    model = fitted("logistic", told, tmp_path / "logistic", **PLANTED)
    instances = click_instances(told, "test", 0)
    assert quality(model, instances) > 0.95
    nothing = replace(instances, histories=replace(instances.histories, context={}))
    assert 0.3 < quality(model, nothing) < 0.7
    other = Categories(np.zeros(len(instances), np.int32), ("never seen",))
    new = replace(instances, histories=replace(instances.histories, context={"day": other}))
    assert quality(model, new) == quality(model, nothing)


def store(folder: Path, ids: list[str], vectors: np.ndarray, of: Any = "items") -> Path:
    about = AboutVectors(of=of, source="metadata")
    VectorStore.of(id_keys(ids), vectors, about, Lineage.none()).save(folder)
    return folder


@pytest.mark.parametrize("kind", ["logistic", "fm", "boosted-trees"])
def test_side_vectors_are_fields(kind: str, tmp_path: Path) -> None:
    corpus = corpus_of(planted=False)
    log = corpus.interactions
    good = np.random.default_rng(1).normal(size=(ITEMS, 3)).astype(np.float32)
    clicked = replace(log, labels=(good[log.items, 0] > 0).astype(np.int8))
    items = [f"i{n}" for n in range(ITEMS)]
    known = items[:12]  # the labels of the other items depend on vectors that are missing
    inputs = {"vectors.side": store(tmp_path / "side", known, good[:12])}
    settings = {"vectors": ("side",), **({} if kind == "boosted-trees" else PLANTED)}
    told = replace(corpus, interactions=clicked)
    instances = click_instances(told, "test", 0)
    model = fitted(kind, told, tmp_path / kind, inputs, **settings)
    assert quality(model, instances.take(np.flatnonzero(instances.items < 12))) > 0.9


def test_vectors_of_other_data_are_an_error(corpus: Corpus, tmp_path: Path) -> None:
    vectors = np.ones((2, 3), np.float32)
    foreign = {"vectors.v": store(tmp_path / "foreign", ["x", "y"], vectors)}
    with pytest.raises(UserError, match="expected vectors of some of these 24 items"):
        fitted("fm", corpus, tmp_path / "fm", foreign, vectors=("v",))
    events = {"vectors.v": store(tmp_path / "events", ["x", "y"], vectors, "events")}
    with pytest.raises(
        UserError, match="vectors v: expected vectors of users or items, got those of events"
    ):
        fitted("fm", corpus, tmp_path / "fm", events, vectors=("v",))


def test_fields_come_from_training_events(corpus: Corpus) -> None:
    fields = fields_of(corpus, {})
    assert fields.users.names == ("id", "team")
    assert fields.items.names == ("id", "side", "price", "tags")
    assert (fields.users.singles[:-1] != fields.users.unknown).all()
    assert (fields.users.singles[-1] == fields.users.unknown).all()
    assert fields.items.singles[5, 2] == fields.items.unknown[2]  # its price is unknown
    assert fields.items.shares[:, 0].tolist() == [
        1 if n % 3 == 0 else 0.5 for n in range(ITEMS)
    ] + [1]
    codes = np.concatenate([fields.users.singles.ravel(), fields.items.singles.ravel()])
    assert codes.min() > 0
    assert max(codes.max(), fields.items.lists.max()) < fields.rows


def test_rare_values_and_unique_texts_are_no_fields(corpus: Corpus) -> None:
    table = corpus.catalog.table.append_column(
        "text", pa.array([f"unique {n}" for n in range(ITEMS)])
    )
    fields = fields_of(replace(corpus, catalog=Catalog(table)), {})
    assert "text" not in fields.items.names


def test_bins_and_standardised_vectors() -> None:
    assert bin_edges(np.array([1.0, 1.0, np.nan])).tolist() == []
    assert bin_edges(np.array([1.0] * 99 + [2.0])).tolist() == [2.0]
    numbers = np.arange(1000.0)
    counts = np.bincount(np.searchsorted(bin_edges(numbers), numbers, side="right"))
    assert counts.min() >= 1000 // 32
    vectors = np.array([[1.0, 5.0], [3.0, 5.0], [9.0, 9.0], [np.nan, np.nan]])
    scaled = standardised(vectors, np.array([True, True, False, True]))
    assert scaled[:2, 0].tolist() == [-1, 1]
    assert np.isnan(scaled[3]).all()
    assert np.isfinite(scaled[2]).all()
    assert scaled[:3, 1].tolist() == [0, 0, 4]  # the same in all that are known


def test_trees_equal_their_library(corpus: Corpus, models: Any) -> None:
    from sklearn.ensemble import HistGradientBoostingClassifier

    from p5rec.methods.click.ensemble import Trees

    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(500, 5)).astype(np.float32)
    matrix[::4, 1] = np.nan
    matrix[::5, 2] = np.nan
    labels = (np.nan_to_num(matrix[:, 1], nan=1.0) * matrix[:, 0] > 0).astype(int)
    labels ^= np.isnan(matrix[:, 2])  # so that a node asks for missing values alone
    ensemble = HistGradientBoostingClassifier(max_iter=20, early_stopping=False)
    ensemble.fit(matrix, labels)
    assert any(np.isinf(tree.nodes["num_threshold"]).any() for (tree,) in ensemble._predictors)
    expected = ensemble.decision_function(matrix)
    np.testing.assert_allclose(Trees.of(ensemble).logits(matrix), expected, atol=1e-6)


def test_training_length_is_kept_for_a_refit(corpus: Corpus, tmp_path: Path) -> None:
    for kind, length in (("fm", "epochs"), ("boosted-trees", "trees")):
        fitted(kind, corpus, tmp_path / kind, **({"epochs": 3} if kind == "fm" else {}))
        method = METHODS.get(kind)(**{**FAST[kind], "tune": {}})
        chosen = method.as_chosen(tmp_path / kind)
        assert not chosen.needs_validation
        assert 1 <= getattr(chosen, length) <= 30
