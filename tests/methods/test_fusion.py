"""A fusion: the sum of its components' scores, and the search on validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from fits import Fits
from tiny_models import some_codes

from p5rec.core.artefacts import Lineage, Store
from p5rec.core.errors import UserError
from p5rec.core.features import Behaviours
from p5rec.core.rng import derive_rng, id_keys
from p5rec.core.types import TEST, TRAIN, VALID, Catalog, Corpus, Histories, Interactions, Split
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.split import instances
from p5rec.ids.files import save_codes
from p5rec.methods.baselines.frequency import PersonalFrequency
from p5rec.methods.baselines.item_to_item import ItemToItem
from p5rec.methods.fitted import Fitted
from p5rec.methods.fusion.choice import Choice
from p5rec.methods.fusion.grid import Grid
from p5rec.methods.fusion.method import Fusion
from p5rec.methods.fusion.pooling import fused, pooled
from p5rec.methods.fusion.predictor import FusionPredictor
from p5rec.methods.fusion.search import Point, Search, Users
from p5rec.methods.generative.method import Generative
from p5rec.methods.registry import METHODS
from p5rec.methods.tune import by_ranking
from p5rec.metrics.ranking import per_user
from p5rec.pipeline.fitting import fit_method
from p5rec.pipeline.method_runs import RunContext
from p5rec.pipeline.prepared import Prepared

ITEMS, GROUPS = 40, 8
NOISE = {"kind": "noise"}
EASE = {"kind": "item-to-item", "l2": 20.0, "tune": {"half_life": (None, 2.0)}}
REPEATS = {"kind": "personal-frequency", "tune": {"half_life": (None, 64.0, 16.0, 4.0)}}


NETWORK = Generative.model_validate(
    {
        "backbone": {"kind": "scratch", "width": 16, "layers": 1, "heads": 2, "feedforward": 8},
        "item_head": {},
        "train": {"steps": 2, "batch": 4, "precision": "float32"},
        "decode": {"search": "beam"},
    }
)


def small() -> Corpus:
    """30 users of 24 items."""
    synthetic = {"kind": "markov", "users": 30, "items": 24, "events": 6}
    return build(DataConfig(source="synthetic", synthetic=synthetic))[0]


@pytest.fixture(autouse=True)
def _noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS._targets, "noise", "noise_component:Noise")


def corpus_of(histories: Sequence[Sequence[int]]) -> Corpus:
    """Leave-one-out over item lists of one length."""
    users, events = len(histories), len(histories[0])
    owner = np.repeat(np.arange(users, dtype=np.int32), events)
    components = np.tile([*[TRAIN] * (events - 2), VALID, TEST], users).astype(np.int8)
    items = np.array(histories, dtype=np.int32).ravel()
    keys = id_keys(range(users)), id_keys(range(ITEMS))
    log = Interactions(owner, items, np.tile(np.arange(events), users), None, *keys)
    ids = [str(n) for n in range(ITEMS)]
    catalog = Catalog(pa.table({"item": ids, "title": ids}))
    return Corpus(log, catalog, [str(n) for n in range(users)], Split("leave-one-out", components))


def of_groups(*, again: float = 0.0) -> Corpus:
    """Users with events in one group of items, or with repeats."""
    rng, result = derive_rng(0, "groups"), []
    for user in range(120):
        own = rng.permutation(np.arange(user % GROUPS, ITEMS, GROUPS))
        history = list(own[:2]) if again else list(own)
        while len(history) < 8 and again:
            taken = rng.random() < again
            history.append(int(rng.choice(history) if taken else rng.integers(ITEMS)))
        result.append(history)
    return corpus_of(result)


def fitted(
    components: dict[str, Any], corpus: Corpus, folder: Path, **settings: Any
) -> tuple[Fitted, Choice]:
    store = Store(folder / "store", lambda _: None, 0)
    data = store.stage("data", lambda _: Lineage.none(), config={}, code=())
    (run,) = fit_method(
        Fusion(components=components, **settings), Prepared(corpus, data, store), RunContext()
    )
    return run, Choice.read(run.folder)


def test_a_component_without_information_has_no_weight_and_is_not_saved(tmp_path: Path) -> None:
    run, choice = fitted({"ease": EASE, "noise": NOISE}, of_groups(), tmp_path)
    assert choice.weights == {"ease": 1.0, "noise": 0.0}
    assert [path.name for path in (run.folder / "components").iterdir()] == ["ease"]
    assert choice.value == choice.alone["ease"] > choice.alone["noise"]
    run, choice = fitted({"noise": NOISE, "ease": EASE}, of_groups(), tmp_path)
    assert choice.weights["noise"] == 0  # the first component as well
    assert choice.weights["ease"] > 0
    assert run.about["weights"] == choice.weights
    assert run.about["validation NDCG@10"]["fusion"] == choice.value


@pytest.mark.parametrize("unseen", [True, False])
def test_repeats_count_where_lists_include_seen_items(unseen: bool, tmp_path: Path) -> None:
    components = {"ease": EASE, "repeats": REPEATS}
    _, choice = fitted(components, of_groups(again=0.8), tmp_path, exclude_seen=unseen)
    assert (choice.weights["repeats"] > 0) == (not unseen)
    assert choice.exclude_seen == unseen
    assert (
        Fusion(components=components).resolve_names({}, exclude_seen=unseen).exclude_seen == unseen
    )


def test_the_choice_is_no_worse_than_a_component_and_records_its_metric(tmp_path: Path) -> None:
    components = {"ease": {"kind": "item-to-item"}, "repeats": REPEATS}
    corpus = build(
        DataConfig(
            source="synthetic", synthetic={"kind": "markov", "users": 60, "items": 30, "events": 9}
        )
    )[0]
    run, choice = fitted(components, corpus, tmp_path / "one")
    again, same = fitted(components, corpus, tmp_path / "two")
    assert same == choice
    assert choice.users == 60
    assert choice.value is not None
    assert choice.value >= max(choice.alone.values())
    histories, targets, _ = instances(corpus.interactions, corpus.split, "valid")
    served = run.method.load(run.folder)
    assert by_ranking(histories, targets)(served) == pytest.approx(choice.value, abs=1e-12)
    assert choice.settings["ease"]["half_life"] in (
        1.0,
        2.0,
    )  # the last item is the most informative
    settled = run.method.settled(choice)
    assert all(not component.tune for component in settled.methods.values())
    assert settled.weights == choice.weights
    result = served.recommend(histories, 5)
    other = again.method.load(again.folder).recommend(histories, 5)
    assert np.array_equal(result.items, other.items)
    assert np.array_equal(result.scores, other.scores)
    assert len(list((tmp_path / "one/store/fit").iterdir())) == 3 + 1 + 1  # one a penalty


def test_scores_are_the_weighted_sum_of_the_components(tmp_path: Path) -> None:
    """At fixed weights: the item head's log-probabilities and EASE scores."""
    corpus, network = small(), NETWORK
    ease = ItemToItem(tune={}, half_life=3, popularity_discount=0.5)
    fits = Fits.of(corpus, some_codes(24), tmp_path)
    fusion = Fusion(
        components={"network": network, "ease": ease}, weights={"network": 1, "ease": 0.7}
    )
    context = RunContext({"semantic": [fits.ids]})
    (alone,) = fit_method(network, fits.prepared, context)
    (run,) = fit_method(fusion, fits.prepared, context)
    weights = run.folder / "components/network/trained.safetensors"
    assert weights.samefile(alone.folder / "trained.safetensors")
    assert run.about["train_seconds"] >= alone.about["train_seconds"]
    histories, _, _ = instances(corpus.interactions, corpus.split, "test")
    logs = torch.from_numpy(network.load(alone.folder).item_logs(histories))
    assert torch.allclose(logs.exp().sum(1), torch.ones(len(histories)), atol=1e-5)
    more = ease.learn(corpus.interactions, corpus.split).item_logs(histories)
    wanted = pooled(logs, torch.from_numpy(np.float32(0.7) * more)).numpy()
    assert np.array_equal(run.method.load(run.folder).scores(histories), wanted)


def test_extended_ids_rank_new_items(tmp_path: Path) -> None:
    corpus, codes = small(), some_codes(24)
    fits = Fits.of(corpus, codes, tmp_path / "store")
    components = {"network": NETWORK, "ease": ItemToItem(tune={}), "repeats": PersonalFrequency()}
    weights = dict.fromkeys(components, 1.0)
    context = RunContext({"semantic": [fits.ids]})
    (run,) = fit_method(Fusion(components=components, weights=weights), fits.prepared, context)
    free = {*product(*map(range, codes.sizes))} - {*map(tuple, codes.codes.tolist())}
    more = replace(codes, codes=np.array([min(free), *codes.codes], dtype=np.int32))
    save_codes(more, tmp_path / "ids", ["new", *corpus.catalog.ids])
    histories, _, _ = instances(corpus.interactions, corpus.split, "test")
    before = run.method.load(run.folder)
    after = run.method.open_predictor(run.folder, tmp_path / "ids")
    later = Histories(histories.users, histories.items + 1, histories.offsets)
    scores = after.scores(later)
    assert np.isfinite(scores).all()
    old = scores[:, 1:] - before.scores(histories)
    assert old == pytest.approx(np.broadcast_to(old[:, :1], old.shape), abs=1e-4)
    plain = Fusion(components={"repeats": PersonalFrequency()})
    (run,) = fit_method(plain, fits.prepared, context)
    with pytest.raises(UserError, match="ids: expected a model with codes"):
        plain.open_predictor(run.folder, tmp_path / "ids")


def test_unknown_items_keep_their_probability() -> None:
    rng = torch.Generator().manual_seed(1)
    logs = torch.randn(3, 9, generator=rng).log_softmax(1)
    more = torch.randn(3, 9, generator=rng)
    unknown = torch.tensor([2, 5])
    more[:, unknown] = torch.nan
    result = pooled(logs, more).softmax(1)
    assert torch.allclose(result[:, unknown], logs.exp()[:, unknown], atol=1e-6)
    known = torch.tensor([0, 1, 3, 4, 6, 7, 8])
    alone = (logs + more)[:, known].softmax(1)
    assert torch.allclose(
        result[:, known] / result[:, known].sum(1, keepdim=True), alone, atol=1e-6
    )
    assert torch.equal(pooled(logs, torch.full_like(more, torch.nan)), logs)
    logs = logs.numpy()
    assert np.array_equal(fused([(1.0, logs)], (3, 9)), logs)


def test_candidates_with_equal_fit_settings_share_a_fit() -> None:
    component = ItemToItem(tune={"l2": (1, 2), "half_life": (None, 3), "max_neighbours": (9,)})
    grid = Grid.of(component)
    assert grid.fits == (0, 0, 1, 1)
    assert [(method.l2, method.half_life) for method in grid.fitted] == [(1, None), (2, None)]
    assert grid.settings(3) == {"l2": 2, "half_life": 3, "max_neighbours": 9}
    assert [grid.along(3, axis) for axis in range(grid.axes)] == [[1, 3], [2, 3], [3]]
    assert Grid.of(PersonalFrequency()).settings(0) == {}


def test_invalid_components_are_refused() -> None:
    with pytest.raises(ValueError, match="expected a method that scores items, got a bpr"):
        Fusion(components={"a": {"kind": "bpr"}})
    with pytest.raises(ValueError, match="expected a method that scores items, got a generative"):
        Fusion(components={"a": {}})  # it has no item head
    with pytest.raises(ValueError, match=r"weights: expected a component \(a\), got 'b'"):
        Fusion(components={"a": EASE}, weights={"b": 1})
    with pytest.raises(UserError, match=r"components\.a: expected a section, or the name of"):
        Fusion(components={"a": "mine"}).resolve_names({"yours": ItemToItem()}, exclude_seen=True)
    named = Fusion(components={"a": "mine"}).resolve_names(
        {"mine": ItemToItem(l2=7)}, exclude_seen=True
    )
    assert named.methods["a"].l2 == 7


def test_permuted_histories_apply_to_components() -> None:
    fusion = Fusion(components={"ease": EASE}, permute_histories=True)
    assert fusion.methods["ease"].permute_histories


def test_the_search_and_the_lists_have_one_seen_filter() -> None:
    """Items that were viewed and not bought may be recommended."""
    done = Behaviours(np.array([0, 1, 0, 0], np.int8), ("view", "buy"), ("buy",), (1.0, 1.0))
    users, items = np.array([0, 1], np.int32), np.array([3, 4, 5, 6], np.int32)
    histories = Histories(users, items, np.array([0, 2, 4]), behaviours=done)
    logs = np.zeros((2, ITEMS), np.float32)
    targets = np.array([3, 5])
    logs[[0, 1], targets] = 5
    tie = np.arange(ITEMS)
    scores = SimpleNamespace(grids=[0], histories=histories, of=lambda *_: logs)
    search = Search(scores, targets, Users(histories, targets), tie, exclude_seen=True, fixed={})
    component = SimpleNamespace(item_logs=lambda histories: logs[histories.users])
    lists = FusionPredictor(((1.0, component),), tie).recommend(histories, 10).items
    served = per_user(lists, targets, (10,))["NDCG@10"]
    np.testing.assert_array_equal(search.values(Point((1.0,), (0,))), served)
    assert served.tolist() == [1, 1]


def test_fixed_weights_are_not_negative_and_not_all_zero() -> None:
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        Fusion(components={"a": EASE}, weights={"a": -1})
    with pytest.raises(ValueError, match="weights: expected one above 0"):
        Fusion(components={"a": EASE}, weights={"a": 0})


def test_a_search_starts_at_a_component_that_may_have_a_weight() -> None:
    scores = SimpleNamespace(grids=[0, 0, 0], histories=())
    users = Users(np.zeros(0), np.zeros(0))
    search = Search(scores, users.targets, users, np.arange(3), exclude_seen=True, fixed={0: 0.0})
    assert search.start == Point((0.0, 1.0, 0.0), (0, 0, 0))
