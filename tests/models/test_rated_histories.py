"""Rating sequences, and states at their items."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import make_bundle, scratch, some_codes

from p5rec.models.bundle import Bundle

SCALE = (0.5, 1.0, 3.5, 4.0)


@pytest.fixture(scope="module", params=["positions", "tokens"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return make_bundle(scratch(items=request.param), some_codes(24), scale=SCALE).ready()


def test_a_rating_sequence_decodes_to_items_and_ratings(bundle: Bundle) -> None:
    items = np.array([3, 7, 7, 11, 0])
    ratings = np.array([3.5, np.nan, 4.0, 0.5, np.nan], dtype=np.float32)
    tokens, ends, words = bundle.rated_histories().write(items, ratings)
    named = [f"<a_{a}><b_{b}>" for a, b in bundle.layout.codes.codes[items]]
    ratings_as_text = ["3.5", "", "4", "0.5", ""]
    assert tokens[0] == bundle.bos
    assert bundle.tokenizer.decode(tokens[1:]) == "".join(
        name + rating for name, rating in zip(named, ratings_as_text, strict=True)
    )
    assert tokens[ends].tolist() == bundle.layout.items[items][:, -1].tolist()
    assert tokens.dtype == np.int64
    assert bundle.tokenizer.decode(tokens[words]) == "".join(ratings_as_text)


def test_statistics_are_between_an_item_and_its_rating(bundle: Bundle) -> None:
    items = np.array([3, 7, 7, 11])
    ratings = np.array([3.5, np.nan, 4.0, np.nan], dtype=np.float32)
    statistics = np.array([[3.456, 12], [4.0, 0], [2.5, 3], [1.0, 7]])
    tokens, ends, words = bundle.rated_histories().write(items, ratings, statistics)
    named = [f"<a_{a}><b_{b}>" for a, b in bundle.layout.codes.codes[items]]
    statistics_as_text = [
        " mean 3.46 of 12: ", " mean 4.00 of 0, user 3.5: ", " mean 2.50 of 3, user 3.5: ",
        " mean 1.00 of 7, user 3.8: ",
    ]  # fmt: skip
    pieces = zip(named, statistics_as_text, ["3.5", "", "4", ""], strict=True)
    assert bundle.tokenizer.decode(tokens[1:]) == "".join(map("".join, pieces))
    assert bundle.tokenizer.decode(tokens[words]) == "3.54"
    assert bundle.tokenizer.decode(tokens[: ends[1] + 1]).endswith(statistics_as_text[1])
    nothing = bundle.rated_histories().write(items[:0], ratings[:0], statistics[:0])
    assert nothing.tokens.tolist() == [bundle.bos]


def test_a_rating_off_the_scale_is_written_as_the_nearest(bundle: Bundle) -> None:
    write = bundle.rated_histories().write
    off, on = (
        write(np.array([1, 2]), np.array(pair, dtype=np.float32))[0]
        for pair in ((9.0, 2.0), (4.0, 1.0))
    )
    assert off.tolist() == on.tolist()


def test_an_empty_history_is_the_start_token(bundle: Bundle) -> None:
    tokens, ends, words = bundle.rated_histories().write(np.empty(0, int), np.empty(0, np.float32))
    assert (tokens.tolist(), ends.tolist(), words.tolist()) == ([bundle.bos], [], [False])


@torch.no_grad()
@pytest.mark.system("rating-study")
def test_one_pass_over_a_history_equals_a_pass_per_item(
    bundle: Bundle,
) -> None:
    items, ratings = np.array([3, 7, 11]), np.array([3.5, 4.0, 0.5], dtype=np.float32)
    tokens, ends, _ = bundle.rated_histories().write(items, ratings)
    model, ids = bundle.model, torch.from_numpy(tokens)[None]
    embedded, at = model.embed(ids)
    full = model.decoder(inputs_embeds=embedded).last_hidden_state[0]
    for end in ends:
        before, _ = model.embed(ids[:, : end + 1])
        alone = model.decoder(inputs_embeds=before).last_hidden_state[0, -1]
        assert torch.allclose(full[at.token_positions[0, end]], alone, atol=1e-5)
