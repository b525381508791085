"""Stated chances in a report, against scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from p5rec.core.types import Corpus
from p5rec.evaluate import measure
from p5rec.evaluate.blocks import main_metrics
from p5rec.evaluate.per_user import measured_of, read_cases, write_cases

RNG = np.random.default_rng(0)
CHANCES, USERS = RNG.random(300), np.arange(300)
HAPPENED = RNG.random(300) < CHANCES**0.7
RATINGS = np.where(HAPPENED, RNG.integers(4, 6, 300), RNG.integers(1, 4, 300)).astype(float)


def wanted() -> dict[str, float]:
    return {
        "log loss": log_loss(HAPPENED, CHANCES),
        "Brier": brier_score_loss(HAPPENED, CHANCES),
        "AUC": roc_auc_score(HAPPENED, CHANCES),
    }


def test_yes_and_no_are_measured_by_their_chances() -> None:
    said = ((CHANCES > 0.5) == HAPPENED).astype(float)
    entry = measure.accuracy("m", said, USERS, CHANCES, HAPPENED, split="test", seed=0).method
    assert {m: entry.metrics[m].value for m in wanted()} == pytest.approx(wanted())
    assert entry.metrics["accuracy"].value == pytest.approx(said.mean())
    assert all(m.low < m.value < m.high for m in entry.metrics.values())
    assert 0 < entry.beside["ECE"] < 0.2
    assert main_metrics(entry.task, entry.metrics) == ("accuracy", "AUC", "log loss", "Brier")
    plain = measure.accuracy("m", said, USERS, split="test", seed=0).method
    assert plain.metrics == {"accuracy": entry.metrics["accuracy"]}
    assert main_metrics(plain.task, plain.metrics) == ("accuracy",)


def test_ratings_are_measured_by_the_chance_of_a_liked_one() -> None:
    ends = (1.0, 5.0)
    given = {"split": "test", "seed": 0}
    entry = measure.rating("m", 1 + 4 * CHANCES, RATINGS, USERS, ends, CHANCES, **given).method
    assert {m: entry.metrics[m].value for m in wanted()} == pytest.approx(wanted())
    assert "ECE" in entry.beside
    assert main_metrics(entry.task, entry.metrics) == ("RMSE", "MAE", "AUC")
    plain = measure.rating("m", 1 + 4 * CHANCES, RATINGS, USERS, ends, **given).method
    assert plain.metrics == {m: entry.metrics[m] for m in ("RMSE", "MAE", "AUC")}
    assert "ECE" not in plain.beside


def test_clicks_are_measured_by_their_probabilities(corpus: Corpus, tmp_path: Path) -> None:
    users = np.arange(300) % 4
    given = {"split": "test", "seed": 0, "parts": {"few": np.arange(300) < 40}}
    found = measure.clicks("m", CHANCES, HAPPENED, users, **given)
    entry = found.method
    assert {m: entry.metrics[m].value for m in wanted()} == pytest.approx(wanted())
    assert entry.metrics.keys() == wanted().keys()
    assert (entry.task, entry.invalid_rate) == ("click", 0)
    assert "ECE" in entry.beside
    assert main_metrics("click", entry.metrics) == ("AUC", "log loss", "Brier")
    few = entry.slices["few"].metrics
    assert few["Brier"].value == pytest.approx(np.mean((CHANCES - HAPPENED)[:40] ** 2))

    write_cases([found], corpus, tmp_path)
    again, _ = measured_of(entry, read_cases(tmp_path))
    assert list(again.method.metrics) == ["AUC", "log loss", "Brier"]
    weights = np.random.default_rng(1).integers(0, 3, (5, 300)).astype(float)
    np.testing.assert_allclose(again.statistic(weights), found.statistic(weights))
