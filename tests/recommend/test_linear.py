"""The linear part: what it says of a history, and how it is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array
from tiny_models import make_bundle, scratch, some_codes

from p5rec.core.errors import UserError
from p5rec.ids.files import save_codes
from p5rec.models.checkpoint import load_bundle, save_bundle
from p5rec.models.linear import FLOOR, Linear, pooled
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.generative import GenerativeRecommender

ITEMS = 24
UNKNOWN = 11
ASKED = [[1, 2, 2, 5], [], [7], [23, 0]]


@pytest.fixture
def linear() -> Linear:
    weights = np.random.default_rng(0).normal(size=(ITEMS, ITEMS)).astype(np.float32)
    weights[np.abs(weights) < 0.7] = 0
    weights[7] = 0  # it says nothing of others
    weights[:, UNKNOWN] = 0  # and nothing says anything of this one
    return Linear(csr_array(weights))


def by_hand(linear: Linear, history: list[int]) -> np.ndarray:
    dense = linear.weights.toarray()
    scores = np.maximum(sum((dense[i] for i in set(history)), np.zeros(ITEMS)), 0)
    shares = scores / scores.max() if scores.max() > 0 else scores
    logs = np.log(shares + FLOOR)
    logs[UNKNOWN] = np.nan
    return logs


def test_it_says_what_the_items_of_a_history_say_together(linear: Linear, ask) -> None:
    found = linear.logs(ask(ASKED))
    assert found.dtype == np.float32
    for row, history in zip(found, ASKED, strict=True):
        assert row == pytest.approx(by_hand(linear, history), abs=1e-5, nan_ok=True)
    spoken_for = np.delete(found, UNKNOWN, axis=1)
    assert len(set(spoken_for[1])) == len(set(spoken_for[2])) == 1


def test_a_request_s_scores_are_its_own(linear: Linear, ask) -> None:
    together = linear.logs(ask(ASKED))
    for row, history in zip(together, ASKED, strict=True):
        assert np.array_equal(linear.logs(ask([history]))[0], row, equal_nan=True)


def test_over_other_items_it_says_the_same_of_those_it_knows(linear: Linear, ask) -> None:
    row_of = np.array([5, -1, 1, 2, 0])
    moved = linear.placed(row_of).weights.toarray()
    known = row_of >= 0
    dense = linear.weights.toarray()
    assert np.array_equal(moved[np.ix_(known, known)], dense[np.ix_(row_of[known], row_of[known])])
    assert not moved[~known].any()
    assert not moved[:, ~known].any()


@pytest.mark.parametrize("weight", [0.0, 0.6])
def test_lists_add_it_to_what_the_model_says(linear: Linear, ask, weight: float) -> None:
    bundle = make_bundle(scratch(), some_codes(ITEMS)).ready()
    decode = DecodeConfig(k=ITEMS, beams=30, linear_weight=weight)

    def scores(linear: Linear | None) -> np.ndarray:
        asked = GenerativeRecommender(replace(bundle, linear=linear), decode)
        lists = asked.recommend(ask(ASKED), ITEMS, exclude_seen=False)
        assert (np.diff(lists.scores, axis=1) <= 0).all()
        out = np.empty_like(lists.scores)
        np.put_along_axis(out, lists.items.astype(np.int64), lists.scores, axis=1)
        return out

    logs = linear.logs(ask(ASKED))
    neutral = np.log(np.nanmean(np.exp(weight * logs), axis=1, keepdims=True))
    wanted = scores(None) + np.where(np.isnan(logs), neutral, weight * logs)
    assert scores(linear) == pytest.approx(wanted, abs=5e-5)


def test_items_of_which_nothing_is_known_keep_their_probability() -> None:
    rng = torch.Generator().manual_seed(1)
    said = torch.randn(3, 9, generator=rng).log_softmax(1)
    more = torch.randn(3, 9, generator=rng)
    unknown = torch.tensor([2, 5])
    more[:, unknown] = torch.nan
    found = pooled(said, more).softmax(1)
    assert torch.allclose(found[:, unknown], said.exp()[:, unknown], atol=1e-6)
    known = torch.tensor([0, 1, 3, 4, 6, 7, 8])
    alone = (said + more)[:, known].softmax(1)
    assert torch.allclose(found[:, known] / found[:, known].sum(1, keepdim=True), alone, atol=1e-6)
    assert torch.equal(pooled(said, torch.full_like(more, torch.nan)), said)


def test_it_is_kept_with_the_model_and_follows_its_items(linear: Linear, tmp_path: Path) -> None:
    bundle = replace(make_bundle(scratch(), some_codes(ITEMS), linear=True), linear=linear)
    save_bundle(bundle, tmp_path / "model")
    again = load_bundle(tmp_path / "model").linear
    assert again is not None
    assert np.array_equal(again.weights.toarray(), linear.weights.toarray())
    order = np.roll(np.arange(ITEMS), 3)
    codes = replace(bundle.layout.codes, codes=bundle.layout.codes.codes[order])
    save_codes(codes, tmp_path / "codes", [bundle.item_ids[row] for row in order])
    moved = load_bundle(tmp_path / "model", tmp_path / "codes").linear
    assert moved is not None
    assert np.array_equal(moved.weights.toarray(), linear.weights.toarray()[np.ix_(order, order)])


def test_weights_of_other_items_are_named(linear: Linear, tmp_path: Path) -> None:
    linear.save(tmp_path / "linear.safetensors")
    with pytest.raises(UserError, match="expected weights of 23 items, got 24"):
        Linear.load(tmp_path / "linear.safetensors", 23)
