"""Validation checks during training equal an evaluation."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from tiny_models import make_bundle, scratch, some_codes

from p5rec.core.features import Users
from p5rec.core.types import Catalog, Corpus
from p5rec.data.split import instances
from p5rec.metrics import ranking
from p5rec.models.config import ItemHeadConfig
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.generative import GenerativeRecommender
from p5rec.recommend.validate import validator

DECODE = DecodeConfig(k=10, beams=30)


@pytest.fixture
def corpus(build) -> Corpus:
    rng = np.random.default_rng(1)
    events, split = build([rng.integers(0, 24, 8).tolist() for _ in range(30)], 24, held_out=2)
    names = [f"i{row}" for row in range(24)]
    table = pa.table({"item": names, "title": names})
    return Corpus(events, Catalog(table), Users.of([f"u{row}" for row in range(30)]), split)


def test_metrics_are_those_of_the_validation_lists(corpus: Corpus) -> None:
    bundle = make_bundle(scratch(), some_codes(24)).ready()
    metrics = validator(corpus, DECODE, users=1000)(bundle)
    histories, targets, _ = instances(corpus.interactions, corpus.split, "valid")
    lists = GenerativeRecommender(bundle, DECODE).recommend(histories, 10)
    wanted = ranking.per_user(lists.items, targets, (10,))
    assert metrics == {name: wanted[name].mean() for name in ("HR@10", "NDCG@10")}
    assert 0 < metrics["HR@10"] < 1


def test_a_model_with_an_item_head_is_validated_by_it(corpus: Corpus) -> None:
    bundle = make_bundle(scratch(), some_codes(24), item_head=ItemHeadConfig()).ready()
    histories, targets, _ = instances(corpus.interactions, corpus.split, "valid")
    item_head = DECODE.model_copy(update={"search": "item-head"})
    lists = GenerativeRecommender(bundle, item_head).recommend(histories, 10)
    wanted = ranking.per_user(lists.items, targets, (10,))["NDCG@10"].mean()
    assert validator(corpus, DECODE, users=1000)(bundle)["NDCG@10"] == wanted
    by_codes = DECODE.model_copy(update={"item_head_weight": 0.0, "per_prefix": 1})
    assert validator(corpus, by_codes, users=1000)(bundle)["NDCG@10"] == wanted


def test_a_sample_of_users_is_seeded(corpus: Corpus) -> None:
    bundle = make_bundle(scratch(), some_codes(24)).ready()
    samples = [validator(corpus, DECODE, users=7)(bundle) for _ in range(2)]
    assert samples[0] == samples[1]
    assert round(samples[0]["HR@10"] * 7, 6) in range(8)


def test_a_model_without_next_item_training_has_no_metrics(corpus: Corpus) -> None:
    bundle = make_bundle(scratch(), some_codes(24), tasks=("rating",), scale=(1.0, 2.0)).ready()
    assert validator(corpus, DECODE, users=7)(bundle) == {}
