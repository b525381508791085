"""Metrics of predicted probabilities in a report, against scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from p5rec.core.types import Corpus
from p5rec.evaluate import measure
from p5rec.evaluate.blocks import main_metrics
from p5rec.evaluate.per_user import measured_of, read_per_user, write_per_user

RNG = np.random.default_rng(0)
PROBABILITIES, USERS = RNG.random(300), np.arange(300)
LABELS = RNG.random(300) < PROBABILITIES**0.7
RATINGS = np.where(LABELS, RNG.integers(4, 6, 300), RNG.integers(1, 4, 300)).astype(float)


def wanted() -> dict[str, float]:
    return {
        "log loss": log_loss(LABELS, PROBABILITIES),
        "Brier": brier_score_loss(LABELS, PROBABILITIES),
        "AUC": roc_auc_score(LABELS, PROBABILITIES),
    }


def test_verdicts_are_measured_by_their_probabilities() -> None:
    correct = ((PROBABILITIES > 0.5) == LABELS).astype(float)
    entry = measure.accuracy(
        "m", correct, USERS, PROBABILITIES, LABELS, split="test", seed=0
    ).method
    assert {m: entry.metrics[m].value for m in wanted()} == pytest.approx(wanted())
    assert entry.metrics["accuracy"].value == pytest.approx(correct.mean())
    assert all(m.low < m.value < m.high for m in entry.metrics.values())
    assert 0 < entry.other_metrics["ECE"] < 0.2
    assert main_metrics(entry.task, entry.metrics) == ("accuracy", "AUC", "log loss", "Brier")
    plain = measure.accuracy("m", correct, USERS, split="test", seed=0).method
    assert plain.metrics == {"accuracy": entry.metrics["accuracy"]}
    assert main_metrics(plain.task, plain.metrics) == ("accuracy",)


def test_ratings_are_measured_by_the_probability_of_liked() -> None:
    ends = (1.0, 5.0)
    run = {"split": "test", "seed": 0}
    entry = measure.rating(
        "m", 1 + 4 * PROBABILITIES, RATINGS, USERS, ends, PROBABILITIES, **run
    ).method
    assert {m: entry.metrics[m].value for m in wanted()} == pytest.approx(wanted())
    assert "ECE" in entry.other_metrics
    assert main_metrics(entry.task, entry.metrics) == ("RMSE", "MAE", "AUC")
    plain = measure.rating("m", 1 + 4 * PROBABILITIES, RATINGS, USERS, ends, **run).method
    assert plain.metrics == {m: entry.metrics[m] for m in ("RMSE", "MAE", "AUC")}
    assert "ECE" not in plain.other_metrics


def test_clicks_are_measured_by_their_probabilities(corpus: Corpus, tmp_path: Path) -> None:
    users = np.arange(300) % 4
    run = {"split": "test", "seed": 0, "slices": {"few": np.arange(300) < 40}}
    found = measure.clicks("m", PROBABILITIES, LABELS, users, **run)
    entry = found.method
    assert {m: entry.metrics[m].value for m in wanted()} == pytest.approx(wanted())
    areas = [roc_auc_score(LABELS[users == u], PROBABILITIES[users == u]) for u in range(4)]
    assert entry.metrics["gAUC"].value == pytest.approx(np.mean(areas))
    assert (entry.task, entry.invalid_rate) == ("click", 0)
    assert "ECE" in entry.other_metrics
    assert main_metrics("click", entry.metrics) == ("AUC", "gAUC", "log loss")
    few = entry.slices["few"].metrics
    assert few["AUC"].value == pytest.approx(roc_auc_score(LABELS[:40], PROBABILITIES[:40]))
    assert few["Brier"].value == pytest.approx(np.mean((PROBABILITIES - LABELS)[:40] ** 2))

    write_per_user([found], corpus, tmp_path)
    again, _ = measured_of(entry, read_per_user(tmp_path))
    assert list(again.method.metrics) == ["AUC", "gAUC", "log loss", "Brier"]
    weights = np.random.default_rng(1).integers(0, 3, (5, 4)).astype(float)[:, users]
    np.testing.assert_allclose(again.statistic(weights), found.statistic(weights))
