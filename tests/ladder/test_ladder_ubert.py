"""Pre-training finds what each user's words mean, where that holds in both domains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from review_world import world

from p5rec.core.types import Corpus
from p5rec.methods.systems.ubert.kinds import Ubert, UbertPretraining
from p5rec.methods.tune import requests_of
from p5rec.metrics.intervals import Interval, paired
from p5rec.metrics.rating import statistic

SETTINGS = {"width": 32, "learning_rate": 3e-3, "embedding_learning_rate": 3e-3, "l2": 0.0}


@pytest.mark.ladder
@pytest.mark.system("u-bert")
def test_pre_trained_users_beat_permuted_ones(check_planted, tmp_path: Path) -> None:
    planted, null = (
        difference(world(null=name == "null"), tmp_path / name) for name in ("planted", "null")
    )
    claim = "a pre-training on own reviews beats one on permuted users if words keep their meaning"
    check_planted(claim, "RMSE", planted=planted, null=null)


def difference(corpus: Corpus, folder: Path) -> Interval:
    """The RMSE of the second domain's test ratings, minus that with users permuted before."""
    log, test = corpus.interactions, corpus.split.mask("test")
    assert log.ratings is not None
    own, permuted = (
        statistic(predictions(corpus, permute, folder / str(permute)), log.ratings[test])
        for permute in (False, True)
    )
    rmse, *_ = paired(own, permuted, log.users[test], seed=0)
    return rmse


def predictions(corpus: Corpus, permute: bool, folder: Path) -> np.ndarray:
    """The predicted test ratings after both trainings."""
    pretrained, tuned = folder / "pretrained", folder / "tuned"
    for each in (pretrained, tuned):
        each.mkdir(parents=True)
    first = UbertPretraining(**SETTINGS, epochs=40, permute_users=permute)
    first.fit(corpus, pretrained, seed=0, inputs={})
    second = Ubert(**SETTINGS, epochs=12, patience=4)
    second.fit(corpus, tuned, seed=0, inputs={"start": pretrained})
    log, test = corpus.interactions, corpus.split.mask("test")
    return second.load(tuned).predict_rating(requests_of(log.users[test]), log.items[test])
