"""Search modes: exhaustive, beam, sampling, diverse, and over candidates."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles import score_codes
from tiny_models import make_bundle, scratch, some_codes

from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.models.bundle import Bundle
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.prompt_ranking import beam_width, rank_for_prompts
from p5rec.recommend.tables import RankingTables

MANY = [np.random.default_rng(n).integers(3, 250, 3 + n) for n in range(40)]
PROMPTS = MANY[:20:4]
NARROW = DecodeConfig(k=3, beams=3, search="beam")


@pytest.fixture(scope="module", params=["positions", "tokens"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return make_bundle(scratch(items=request.param), some_codes(40, (8, 3, 4)), std=0.1).ready()


def tables(bundle: Bundle, config: DecodeConfig, seed: int = 0) -> RankingTables:
    return RankingTables.build(bundle, config, seed)


def all_scores(bundle: Bundle, prompts: list[np.ndarray]) -> np.ndarray:
    """``(B, N)`` scores of all items, by the oracle."""
    codes = torch.from_numpy(bundle.layout.codes.codes).long()
    with torch.inference_mode():
        rows = [
            score_codes(bundle.model, torch.from_numpy(p)[None], torch.ones(1, len(p)), codes)
            for p in prompts
        ]
    return torch.cat(rows).numpy()


def test_exhaustive_search_finds_the_best_item(bundle: Bundle) -> None:
    one = DecodeConfig(k=1, beams=1, search="exhaustive")
    items, scores = rank_for_prompts(tables(bundle, one), MANY, 1)
    best = all_scores(bundle, MANY).max(axis=1, keepdims=True)
    np.testing.assert_allclose(scores, best, atol=2e-5)
    beam = one.model_copy(update={"search": "beam"})
    narrow, _ = rank_for_prompts(tables(bundle, beam), MANY, 1)
    assert (narrow != items).any()  # a single beam misses some


def test_auto_is_exhaustive_for_little_extra_work() -> None:
    positions = make_bundle(scratch(), some_codes(40, (8, 3, 4))).ready()
    tokens = make_bundle(scratch(items="tokens"), some_codes(40, (8, 3, 4)), window=5).ready()
    auto = NARROW.model_copy(update={"search": "auto"})
    assert beam_width(tables(positions, auto), 3) == max(positions.model.trie.inner)
    assert beam_width(tables(tokens, auto), 3) == 3


def test_sampled_lists_do_not_depend_on_other_requests(bundle: Bundle) -> None:
    sampling = DecodeConfig(k=4, beams=6, search="sample")
    requests = np.arange(10, 15, dtype=np.uint64)
    items, _ = rank_for_prompts(tables(bundle, sampling, 5), PROMPTS, 4, requests=requests)
    again, _ = rank_for_prompts(tables(bundle, sampling, 5), PROMPTS[2:], 4, requests=requests[2:])
    assert np.array_equal(items[2:], again)
    other, _ = rank_for_prompts(tables(bundle, sampling, 6), PROMPTS, 4, requests=requests)
    assert not np.array_equal(items, other)
    assert all(len(set(row)) == 4 for row in items.tolist())


def test_diverse_lists_respect_the_cap_and_denied_items(bundle: Bundle) -> None:
    diverse = DecodeConfig(k=6, beams=6, per_prefix=1)
    denied = ItemLists.joined([np.arange(0, 40, 3)] * 5)
    items, _ = rank_for_prompts(tables(bundle, diverse), PROMPTS, 6, Allowed(deny=denied))
    first = bundle.layout.codes.codes[:, 0]
    for row in items.tolist():
        assert len({int(first[i]) for i in row}) == 6
        assert not {i % 3 for i in row} & {0}
