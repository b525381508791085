"""Stated chances in a report, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from p5rec.evaluate import measure
from p5rec.evaluate.blocks import main_metrics

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
