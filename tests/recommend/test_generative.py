"""Ranked lists of a model: exact for wide beams, and independent between requests."""

from __future__ import annotations

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
import torch
from oracles import exhaustive, score_codes
from tiny_models import make_bundle, scratch, some_codes

from p5rec.core.errors import UserError
from p5rec.core.examples import Example
from p5rec.core.rng import id_keys, tie_order
from p5rec.core.types import Catalog, Histories, RankedLists
from p5rec.decode.allowed import Allowed, ItemLists
from p5rec.models.bundle import Bundle
from p5rec.recommend.config import DecodeConfig
from p5rec.recommend.generative import GenerativeRecommender
from p5rec.recommend.lists import to_frame, write_lists
from p5rec.recommend.prompt_predictions import encode_prompts, generate_texts, rank_for_examples
from p5rec.recommend.protocols import Recommender
from p5rec.recommend.ratings import estimate_ratings

ITEMS = 24
SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
WIDE = DecodeConfig(k=10, beams=30, batch_tokens=200, max_new_tokens=8)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    bundle = make_bundle(
        scratch(), some_codes(ITEMS), scale=SCALE, tasks=("next-item", "rating"), window=6
    )
    torch.nn.init.normal_(bundle.model.heads.regression.weight, std=0.1)
    return bundle.ready()


@pytest.fixture(scope="module")
def tiny(bundle: Bundle) -> GenerativeRecommender:
    return GenerativeRecommender(bundle, WIDE, seed=4)


@pytest.fixture(scope="module")
def histories(make_requests) -> Histories:
    rng = np.random.default_rng(0)
    return make_requests([rng.integers(0, ITEMS, n).tolist() for n in (3, 0, 20, 6, 1, 9, 0, 4)])


def test_it_is_a_recommender(tiny: GenerativeRecommender) -> None:
    assert isinstance(tiny, Recommender)


@pytest.mark.parametrize("exclude_seen", [True, False])
@pytest.mark.system("p5")
def test_wide_beams_equal_scoring_every_item(
    tiny: GenerativeRecommender, bundle: Bundle, histories: Histories, exclude_seen: bool
) -> None:
    lists = tiny.recommend(histories, 10, exclude_seen=exclude_seen)
    codes = torch.from_numpy(bundle.layout.codes.codes).long()
    tie = torch.from_numpy(tie_order(id_keys(range(ITEMS)), 4))
    assert lists.users.tolist() == histories.users.tolist()
    for b in range(len(histories)):
        tokens = bundle.layout.items[histories[b][-6:]].reshape(-1)  # the window
        prompt = torch.tensor([[bundle.bos, *tokens]])
        alive = torch.ones(1, ITEMS, dtype=torch.bool)
        if exclude_seen:
            alive[0, histories[b].tolist()] = False  # all of it, not the window alone
        with torch.inference_mode():
            all_scores = score_codes(bundle.model, prompt, torch.ones_like(prompt), codes)
            items, scores = exhaustive(
                lambda prefix, scores=all_scores: scores[:, prefix[:, 0]],
                torch.arange(ITEMS)[:, None],
                k=10, alive=alive, tie=tie,
            )  # fmt: skip
        assert lists.items[b].tolist() == items[0].tolist()
        assert lists.scores[b] == pytest.approx(scores[0].numpy(), abs=2e-5)


@pytest.mark.system("p5")
def test_a_list_does_not_depend_on_other_requests(
    tiny: GenerativeRecommender, histories: Histories
) -> None:
    together = tiny.recommend(histories, 10)
    for b in range(len(histories)):
        alone = tiny.recommend(histories.take(np.array([b])), 10)
        assert np.array_equal(alone.items[0], together.items[b])
        assert alone.scores[0] == pytest.approx(together.scores[b], abs=2e-5)
    order = np.array([5, 2, 7, 0])
    assert np.array_equal(tiny.recommend(histories.take(order), 10).items, together.items[order])


@pytest.mark.system("p5")
def test_lists_are_full_ordered_and_free_of_repeats(
    tiny: GenerativeRecommender, histories: Histories
) -> None:
    lists = tiny.recommend(histories, ITEMS + 5)
    assert lists.items.shape == lists.scores.shape == (len(histories), ITEMS + 5)
    assert lists.items.dtype == np.int32
    assert lists.scores.dtype == np.float32
    for b in range(len(histories)):
        seen = set(histories[b].tolist())
        left = ITEMS - len(seen)
        assert set(lists.items[b, :left].tolist()) == set(range(ITEMS)) - seen
        assert (lists.items[b, left:] == -1).all()
        assert np.isneginf(lists.scores[b, left:]).all()
        assert (np.diff(lists.scores[b, :left]) <= 0).all()


def test_no_requests_give_no_lists(tiny: GenerativeRecommender, make_requests) -> None:
    lists = tiny.recommend(make_requests([]), 5)
    assert lists.items.shape == (0, 5)


def test_a_task_outside_the_training_is_refused() -> None:
    other = make_bundle(scratch(), tasks=("rating",))
    with pytest.raises(
        UserError, match="expected a model trained on 'next-item', got one trained on rating"
    ):
        GenerativeRecommender(other, WIDE)


QUESTIONS = [
    Example(f"How much for <a_{n % 6}><b_{n % 5}>" + "?" * (7 * n), "x", "rating", "rating.v1")
    for n in range(5)
]


def test_options_alone_are_ranked(bundle: Bundle) -> None:
    options = np.array([[1, 5, 9], [2, 3, 4], [0, 1, 2], [7, 8, 9], [20, 21, 22]])
    allowed = Allowed(allow=ItemLists.from_table(options))
    items, _ = rank_for_examples(bundle, QUESTIONS, WIDE, 0, allowed)
    assert [sorted(row[:3].tolist()) for row in items] == options.tolist()
    assert (items[:, 3:] == -1).all()
    everything, _ = rank_for_examples(bundle, QUESTIONS, WIDE, 0)
    assert (everything >= 0).all()
    order = {tuple(row) for row in everything.tolist()}
    assert len(order) > 1


def test_ratings_stay_on_the_scale_and_do_not_depend_on_other_prompts(bundle: Bundle) -> None:
    prompts = encode_prompts(bundle, QUESTIONS)
    together = estimate_ratings(bundle, prompts, WIDE)
    alone = [estimate_ratings(bundle, [prompt], WIDE) for prompt in prompts]
    for name, ratings in together.items():
        assert ratings.dtype == np.float32
        assert ((ratings >= 1) & (ratings <= 5)).all()
        assert ratings.tolist() == pytest.approx([one[name][0] for one in alone], abs=1e-5)
    assert len(set(together["mean"].tolist())) > 1


def test_texts_do_not_depend_on_other_prompts_and_respect_the_limit(bundle: Bundle) -> None:
    together = generate_texts(bundle, QUESTIONS, WIDE)
    assert [generate_texts(bundle, [example], WIDE)[0] for example in QUESTIONS] == together
    limit = DecodeConfig(k=1, beams=1, max_new_tokens=3)
    short = generate_texts(bundle, QUESTIONS, limit)
    assert all(whole.startswith(cut) for whole, cut in zip(together, short, strict=True))
    assert any(cut != whole for whole, cut in zip(together, short, strict=True))


def test_a_text_ends_at_the_end_token_and_keeps_item_codes(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model generates an item, the end token, and then more."""
    tokenizer = bundle.tokenizer
    tokens = tokenizer("Try <a_1><b_2>.<|end|>lost", add_special_tokens=False)["input_ids"]

    def generate(inputs_embeds, **options):
        assert options["do_sample"] is False
        assert options["num_beams"] == 1
        return torch.tensor([tokens] * len(inputs_embeds))

    monkeypatch.setattr(bundle.model.causal, "generate", generate, raising=False)
    assert generate_texts(bundle, QUESTIONS[:2], WIDE) == ["Try <a_1><b_2>."] * 2


def test_too_few_beams_are_refused() -> None:
    with pytest.raises(ValueError, match=r"beams \(3\) must be at least k \(5\)"):
        DecodeConfig(k=5, beams=3)


def test_lists_become_tables_with_external_ids(tmp_path) -> None:
    catalog = Catalog(pa.table({"item": ["x", "y", "z"], "title": ["Heat", None, "Ran"]}))
    lists = RankedLists(
        np.array([1, 0], np.int32),
        np.array([[2, 0, -1], [1, -1, -1]], np.int32),
        np.array([[-0.5, -1.0, -np.inf], [-2.0, -np.inf, -np.inf]], np.float32),
    )
    frame = to_frame(lists, catalog, ["anna", "ben"])
    rows = [
        ("ben", 1, "z", "Ran", -0.5),
        ("ben", 2, "x", "Heat", -1.0),
        ("anna", 1, "y", "item y", -2.0),
    ]
    assert frame.columns == ["user", "rank", "item", "title", "score"]
    assert frame.rows() == rows
    paths = [tmp_path / f"deep/lists.{ending}" for ending in ("parquet", "jsonl", "csv")]
    write_lists(frame, *paths)
    assert pl.read_parquet(paths[0]).rows() == rows
    assert pl.read_ndjson(paths[1]).rows() == rows
    assert pl.read_csv(paths[2]).rows() == rows
    empty = RankedLists(np.zeros(0, np.int32), np.zeros((0, 3), np.int32), np.zeros((0, 3)))
    assert to_frame(empty, catalog, []).height == 0
