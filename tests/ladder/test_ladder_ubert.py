"""Pre-training finds what each user's words mean, where that holds in both domains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from review_world import world

from p5rec.core.types import Corpus
from p5rec.methods.systems.ubert.kinds import Ubert, UbertPretraining
from p5rec.methods.tune import requests_of

SIZES = {"width": 32, "learning_rate": 3e-3, "reviews": 4}


@pytest.mark.ladder
@pytest.mark.system("u-bert")
def test_pre_trained_users_beat_permuted_ones(tmp_path: Path) -> None:
    planted, null = (
        error(corpus, False, tmp_path / name / "own")
        - error(corpus, True, tmp_path / name / "permuted")
        for name, corpus in (("planted", world()), ("null", world(null=True)))
    )
    print(planted, null)
    assert planted < -0.15
    assert null > -0.05


def error(corpus: Corpus, permuted: bool, folder: Path) -> float:
    """The RMSE of test ratings after both trainings."""
    pretrained, tuned = folder / "pretrained", folder / "tuned"
    for each in (pretrained, tuned):
        each.mkdir(parents=True)
    UbertPretraining(**SIZES, epochs=30, permute_users=permuted).fit(
        corpus, pretrained, seed=0, inputs={}
    )
    method = Ubert(**SIZES, epochs=12, patience=4)
    method.fit(corpus, tuned, seed=0, inputs={"start": pretrained})
    log, test = corpus.interactions, corpus.split.mask("test")
    ratings = method.load(tuned).predict_rating(requests_of(log.users[test]), log.items[test])
    assert log.ratings is not None
    return float(np.sqrt(np.mean((ratings - log.ratings[test]) ** 2)))
