"""Language models tuned by nested settings: a fit, a folder and a metric for each point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fits import Fits
from tiny_models import scratch, some_codes

from p5rec.core.artefacts import read_json
from p5rec.core.types import Corpus
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.methods.generative.method import Generative
from p5rec.methods.tune import of_lists
from p5rec.pipeline.method_runs import TRIAL

RATES = [1e-6, 0.03]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    synthetic = {"kind": "markov", "users": 30, "items": 12, "events": 8}
    return build(DataConfig(source="synthetic", synthetic=synthetic))[0]


@pytest.fixture
def fits(corpus: Corpus, tmp_path: Path) -> Fits:
    return Fits.of(corpus, some_codes(12), tmp_path / "store")


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, int, Corpus]]:
    """The learning rate, seed and corpus of each training."""
    fits_seen = []
    original = Generative.fit

    def recorded(self: Generative, corpus: Corpus, folder: Path, **options: Any) -> Any:
        fits_seen.append((self.train.learning_rate, options["seed"], corpus))
        return original(self, corpus, folder, **options)

    monkeypatch.setattr(Generative, "fit", recorded)
    return fits_seen


def tuned(**changes: Any) -> Generative:
    train = {"steps": 6, "batch": 8, "precision": "float32", "warmup": 0}
    settings = {
        "backbone": scratch(width=8, layers=1, feedforward=16),
        "train": train,
        "tune": {"train.learning_rate": RATES},
        **changes,
    }
    return Generative.model_validate(settings)


def test_every_seed_fits_the_selected_settings(
    fits: Fits, corpus: Corpus, fitted: list[Any]
) -> None:
    runs = fits.fit_seeds(tuned(), 2)
    trials = (fits.prepared.store.root / "trial").glob(f"*/{TRIAL}")
    values = sorted(read_json(path)["value"] for path in trials)
    assert len(values) == 2
    assert values[0] < values[1]
    assert [run.method.train.learning_rate for run in runs] == [RATES[1]] * 2
    assert [run.method.tune for run in runs] == [{}, {}]
    assert [run.about.get("configs_tried") for run in runs] == [2, None]
    assert [(rate, seed) for rate, seed, _ in fitted] == [
        (RATES[0], 0), (RATES[1], 0), (RATES[1], 1)
    ]  # fmt: skip
    model = runs[0].method.load(runs[0].folder)
    assert of_lists(corpus)(model) == pytest.approx(values[1])
    assert runs[0].about["train_seconds"] > runs[0].fit_stage.manifest["seconds"]
    again = fits.fit_seeds(tuned(), 2)
    assert len(fitted) == 3
    assert [run.model_stage.path for run in again] == [run.model_stage.path for run in runs]


def test_a_killed_search_resumes_with_the_same_permuted_histories(
    fits: Fits, corpus: Corpus, fitted: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    method = tuned(permute_histories=True)
    recorded = Generative.fit

    def killed(self: Generative, *options: Any, **more: Any) -> Any:
        if self.train.learning_rate == RATES[1]:
            raise KeyboardInterrupt
        return recorded(self, *options, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Generative, "fit", killed)
        with pytest.raises(KeyboardInterrupt):
            fits.fit(method)
    (run,) = fits.fit_seeds(method, 1)
    assert [rate for rate, _, _ in fitted] == RATES
    for _, _, read in fitted:
        assert not np.array_equal(read.interactions.items, corpus.interactions.items)
    own = corpus.interactions.event_keys
    assert np.array_equal(run.fit_stage.lineage.contains(own), corpus.split.mask("train"))
    assert run.fit_stage.manifest["lineage"]["events_seen"] == corpus.split.mask("train").sum()
    assert run.method.permute_histories
