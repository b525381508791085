"""A trial for each point of a grid, and the best point's model under every seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from p5rec.core.artefacts import Artefact, Lineage, Store
from p5rec.core.types import Corpus
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.split import instances
from p5rec.methods.base import Method
from p5rec.methods.baselines.bpr import Bpr
from p5rec.methods.baselines.ease import Ease
from p5rec.methods.baselines.item_to_item import ItemToItem
from p5rec.methods.baselines.popularity import Popularity
from p5rec.methods.fitted import MODEL, Fitted
from p5rec.methods.tune import by_ranking
from p5rec.pipeline import method_runs
from p5rec.pipeline.fitting import fit_method
from p5rec.pipeline.method_runs import seconds
from p5rec.pipeline.predictions import predict_fitted
from p5rec.pipeline.prepared import Prepared
from p5rec.recommend.list_files import read_lists
from p5rec.recommend.serving import ServingConfig

SERVING = ServingConfig(k=5)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    data = {"kind": "markov", "users": 30, "items": 24, "events": 8}
    return build(DataConfig(source="synthetic", synthetic=data))[0]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", lambda _: None, 0)


@pytest.fixture
def data(store: Store) -> Artefact:
    return store.stage("data", lambda folder: Lineage.none(), config={}, code=())


def fitted(method: Method, corpus: Corpus, data: Artefact, store: Store, n: int) -> list[Fitted]:
    return fit_method(method, Prepared(corpus, data, store), repeats=n)


def reads_training(stage: Artefact, corpus: Corpus) -> bool:
    """Whether the lineage equals the training events."""
    seen = stage.lineage.contains(corpus.interactions.event_keys)
    return np.array_equal(seen, corpus.split.mask("train")) and seen.sum() == len(
        stage.lineage.events
    )


def test_a_deterministic_method_is_fitted_once(
    corpus: Corpus, data: Artefact, store: Store
) -> None:
    (run,) = fitted(Popularity(), corpus, data, store, 3)
    assert (run.about["configs_tried"], run.about["tuned"]) == (
        1,
        {"kind": "popularity", "half_life": None},
    )
    assert not (store.root / "trial").exists()
    histories, _, _ = instances(corpus.interactions, corpus.split, "test")
    stage = predict_fitted(run, SERVING, Prepared(corpus, data, store), "test")
    assert read_lists(stage.path).users.tolist() == histories.users.tolist()
    assert reads_training(stage, corpus)


def test_the_lineage_of_permuted_histories_has_original_events(
    corpus: Corpus, data: Artefact, store: Store
) -> None:
    for method in (Popularity(permute_histories=True), Bpr(epochs=1, permute_histories=True)):
        (run,) = fitted(method, corpus, data, store, 1)
        assert reads_training(run.fit_stage, corpus)


def test_a_stochastic_method_is_tuned_once_and_fitted_under_every_seed(
    corpus: Corpus, data: Artefact, store: Store
) -> None:
    runs = fitted(Bpr(epochs=3), corpus, data, store, 3)
    assert [run.about["configs_tried"] for run in runs] == [3, 1, 1]
    assert runs[0].method == runs[1].method == runs[2].method
    lists = [predict_fitted(run, SERVING, Prepared(corpus, data, store), "test") for run in runs]
    scores = [read_lists(stage.path).scores for stage in lists]
    assert not np.array_equal(scores[1], scores[0])
    assert not np.array_equal(scores[1], scores[2])
    assert all(reads_training(run.fit_stage, corpus) for run in runs)
    again = fitted(Bpr(epochs=3), corpus, data, store, 2)
    assert [run.fit_stage.fresh for run in again] == [False, False]


@pytest.mark.parametrize("max_bytes", [0, 2**26])
def test_the_best_point_on_validation_is_selected(
    corpus: Corpus, data: Artefact, store: Store, max_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(method_runs, "MAX_TRIAL_BYTES", max_bytes)
    method = Ease(tune={"l2": [1e6, 5.0], "half_life": [8.0, 1.0]})
    (run,) = fitted(method, corpus, data, store, 1)
    histories, targets, _ = instances(corpus.interactions, corpus.split, "valid")
    value = by_ranking(histories, targets)
    points = [(value(p.learn(corpus.interactions, corpus.split)), p) for p in method.points()]
    best = max(metric for metric, _ in points)
    assert run.method == next(point for metric, point in points if metric == best)
    trials = sorted((store.root / "trial").iterdir())
    assert [(trial / MODEL).is_dir() for trial in trials if not trial.name.startswith(".")] == (
        [bool(max_bytes)] * 4
    )
    seen = corpus.interactions.event_keys[corpus.split.mask("train")]
    assert run.fit_stage.lineage.contains(corpus.interactions.event_keys).sum() == len(seen)
    model = run.method.load(run.folder)
    assert np.array_equal(
        model.weights, run.method.learn(corpus.interactions, corpus.split).weights
    )


def test_a_killed_search_resumes(
    corpus: Corpus, data: Artefact, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted_l2 = []
    original = Ease.learn

    def recorded(self: Ease, *data: object) -> object:
        fitted_l2.append(self.l2)
        if len(fitted_l2) == 3:
            raise KeyboardInterrupt
        return original(self, *data)

    monkeypatch.setattr(Ease, "learn", recorded)
    with pytest.raises(KeyboardInterrupt):
        fitted(Ease(), corpus, data, store, 1)
    fitted(Ease(), corpus, data, store, 1)
    assert fitted_l2 == [100, 250, 500, 500, 1000]


def test_points_that_share_a_fit_have_separate_trials(
    corpus: Corpus, data: Artefact, store: Store
) -> None:
    method = ItemToItem(l2=5, tune={"half_life": [None, 1.0], "popularity_discount": [0.0, 0.5]})
    (run,) = fitted(method, corpus, data, store, 1)
    assert len(list((store.root / "fit").iterdir())) == 1
    histories, targets, _ = instances(corpus.interactions, corpus.split, "valid")
    value = by_ranking(histories, targets)
    points = [(value(p.learn(corpus.interactions, corpus.split)), p) for p in method.points()]
    assert len({metric for metric, _ in points}) > 1
    best = max(metric for metric, _ in points)
    assert run.method == next(point for metric, point in points if metric == best)
    assert value(run.method.load(run.folder)) == best


def test_a_stage_that_several_trials_share_counts_once(store: Store) -> None:
    one, two = (
        store.stage("fit", lambda _: Lineage.none(), config={"n": n}, code=()) for n in (1, 2)
    )
    spent = [stage.manifest["seconds"] for stage in (one, two)]
    assert seconds([one, two, one]) == pytest.approx(sum(spent))
