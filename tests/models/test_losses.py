"""Every task's loss against a few lines that say what it is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tiny_models import make_bundle, scratch, some_codes
from torch import Tensor

from p5rec.models.checkpoint import Bundle
from p5rec.models.heads import RatingHeads

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return make_bundle(scratch(), scale=SCALE)


def batch(bundle: Bundle, rows: int = 4, seed: int = 0) -> dict[str, Tensor]:
    """Rows that ask for codes, for words, for both, and for nothing but a rating; padded."""
    rng = np.random.default_rng(seed)
    first, n_codes = bundle.layout.first, sum(bundle.layout.codes.sizes)
    words = rng.integers(3, first, (rows, 12))
    codes = rng.integers(first, first + n_codes, (rows, 12))
    ids = torch.from_numpy(np.where(rng.random((rows, 12)) < 0.5, words, codes))
    labels = ids.clone()
    labels[:, :4] = -100
    labels[1] = torch.where(labels[1] < first, labels[1], -100)
    labels[3] = -100
    labels[2, 9:], ids[2, 9:] = -100, 0
    return {
        "input_ids": ids,
        "labels": labels,
        "weights": torch.tensor([1.0, 0.5, 2.0, 3.0][:rows]),
        "ratings": torch.tensor([math.nan, 4.0, math.nan, 2.0][:rows]),
        "answer_at": torch.tensor([0, 3, 0, 5][:rows]),
    }


@torch.no_grad()
def by_hand(bundle: Bundle, given: dict[str, Tensor]) -> dict[str, float]:
    """Sums over labelled positions, one position at a time, from the full vocabulary's logits."""
    model, layout = bundle.model, bundle.layout
    ids = given["input_ids"]
    logits = model.causal(input_ids=ids).logits.double()
    found: dict[str, list[float]] = {"code": [], "text": [], "rating": []}
    total = 0.0
    for b, row in enumerate(given["labels"].tolist()):
        weight = float(given["weights"][b])
        for t in range(1, len(row)):
            if row[t] == -100:
                continue
            start, end, kind = 0, logits.shape[-1], "text"
            for level, size in enumerate(layout.codes.sizes):
                begin = layout.first + int(layout.codes.starts[level])
                if begin <= row[t] < begin + size:
                    start, end, kind = begin, begin + size, "code"
            loss = -float(logits[b, t - 1, start:end].log_softmax(0)[row[t] - start])
            found[kind].append(loss)
            total += weight * loss
        rating = float(given["ratings"][b])
        if not math.isnan(rating):
            hidden = model.decoder(input_ids=ids).last_hidden_state
            value, classes = model.heads(hidden[b : b + 1, given["answer_at"][b]])
            loss = float((value[0] - rating) ** 2)
            loss -= float(classes[0].log_softmax(0)[SCALE.index(rating)])
            found["rating"].append(loss)
            total += weight * loss
    return {"sum": total, **{k: float(np.mean(v)) for k, v in found.items()}}


def test_the_loss_is_what_it_says(bundle: Bundle) -> None:
    given = batch(bundle)
    with torch.no_grad():
        out, wanted = bundle.model(**given), by_hand(bundle, given)
    asked = int((given["labels"] != -100).sum())
    assert float(out["loss"]) == pytest.approx(wanted["sum"] / asked, rel=1e-5)
    for kind in ("code", "text", "rating"):
        assert float(out[f"{kind}_loss"]) == pytest.approx(wanted[kind], rel=1e-5)


def test_a_label_at_the_first_position_cannot_be_asked(bundle: Bundle) -> None:
    given = batch(bundle)
    given["labels"][0, 0] = given["input_ids"][0, 0]
    with torch.no_grad():
        losses = [bundle.model(**each)["loss"] for each in (given, batch(bundle))]
    assert torch.equal(*losses)


def test_weights_scale_their_rows(bundle: Bundle) -> None:
    given = batch(bundle)
    parts = []
    for b in range(4):
        alone = {**given, "weights": torch.eye(4)[b]}
        parts.append(float(bundle.model(**alone, num_items_in_batch=1)["loss"]))
    whole = float(bundle.model(**given, num_items_in_batch=1)["loss"])
    weighted = sum(w * part for w, part in zip(given["weights"].tolist(), parts, strict=True))
    assert whole == pytest.approx(weighted, rel=1e-5)
    assert min(parts) > 0


def test_what_a_batch_does_not_ask_for_is_nan_and_trains_nothing(bundle: Bundle) -> None:
    given = batch(bundle)
    given["labels"] = torch.full_like(given["labels"], -100)
    given["ratings"] = torch.full((4,), math.nan)
    bundle.model.zero_grad()
    out = bundle.model(**given)
    assert float(out["loss"]) == 0.0
    assert all(math.isnan(float(out[k])) for k in ("code_loss", "text_loss", "rating_loss"))
    out["loss"].backward()
    for name, parameter in bundle.model.named_parameters():  # data-parallel training needs them all
        assert parameter.grad is not None, name
        assert not parameter.grad.any(), name


def gradients(bundle: Bundle, batches: list[dict[str, Tensor]], count: int) -> dict[str, Tensor]:
    bundle.model.zero_grad()
    for given in batches:
        bundle.model(**given, num_items_in_batch=count)["loss"].backward()
    return {name: p.grad.clone() for name, p in bundle.model.named_parameters()}


def test_two_half_batches_give_the_gradient_of_the_whole(bundle: Bundle) -> None:
    whole = batch(bundle)
    halves = [{k: v[rows] for k, v in whole.items()} for rows in (slice(0, 2), slice(2, 4))]
    count = int((whole["labels"] != -100).sum())
    one, two = gradients(bundle, [whole], count), gradients(bundle, halves, count)
    for name in one:
        assert torch.allclose(one[name], two[name], atol=1e-6), name
    assert any(g.abs().max() > 1e-3 for g in one.values())


def test_a_batch_of_one_needs_no_padding_to_lose_the_same(bundle: Bundle) -> None:
    given = {k: v[2:3] for k, v in batch(bundle).items()}
    short = {k: v[:, :9] if v.ndim == 2 else v for k, v in given.items()}
    assert float(bundle.model(**given)["loss"]) == pytest.approx(
        float(bundle.model(**short)["loss"]), rel=1e-6
    )


def test_code_logits_are_a_slice_of_the_whole_head(bundle: Bundle) -> None:
    hidden = torch.randn(5, 32)
    whole = bundle.model.causal.get_output_embeddings()(hidden)
    start = bundle.layout.first
    for level, size in enumerate(bundle.layout.codes.sizes):
        found = bundle.model.code_logits(hidden, level)
        assert torch.allclose(found, whole[:, start : start + size], atol=1e-5)
        start += size


def heads_with(scale: tuple[float, ...], value: float) -> RatingHeads:
    heads = RatingHeads(8, scale)
    torch.nn.init.constant_(heads.regression.bias, value)
    torch.nn.init.zeros_(heads.classification.weight)
    torch.nn.init.zeros_(heads.classification.bias)
    return heads


def test_predictions_average_both_heads_and_stay_on_the_scale() -> None:
    hidden = torch.randn(3, 8)
    assert torch.allclose(heads_with(SCALE, 4.0).predict(hidden), torch.full((3,), 3.5))
    assert heads_with(SCALE, 99.0).predict(hidden).tolist() == [5.0] * 3
    assert heads_with(SCALE, -99.0).predict(hidden).tolist() == [1.0] * 3
    assert heads_with((0.5, 4.5), 2.5).predict(hidden).tolist() == [2.5] * 3


def test_a_fresh_head_predicts_the_middle_of_the_scale() -> None:
    value, _ = RatingHeads(8, SCALE)(torch.randn(4, 8))
    assert value.tolist() == [3.0] * 4


def test_rows_without_a_rating_are_masked() -> None:
    heads, hidden = RatingHeads(8, SCALE), torch.randn(3, 8)
    weights = torch.tensor([2.0, 5.0, 1.0])
    heads.requires_grad_(False)
    total, mean = heads.loss(hidden, torch.tensor([4.0, math.nan, 1.0]), weights)
    one, _ = heads.loss(hidden[:1], torch.tensor([4.0]), torch.ones(1))
    three, _ = heads.loss(hidden[2:], torch.tensor([1.0]), torch.ones(1))
    assert float(total) == pytest.approx(float(2 * one + three), rel=1e-6)
    assert float(mean) == pytest.approx(float(one + three) / 2, rel=1e-6)
    none, nothing = heads.loss(hidden, torch.full((3,), math.nan), weights)
    assert float(none) == 0.0
    assert math.isnan(float(nothing))


def test_heads_answer_in_any_precision() -> None:
    bundle = make_bundle(scratch(), some_codes(), scale=(0.1, 0.2, 3.3)).ready("bfloat16")
    predicted = bundle.model.heads.predict(torch.randn(4, 32, dtype=torch.bfloat16))
    assert predicted.dtype == torch.float32
    assert bundle.model.heads.scale.tolist() == pytest.approx([0.1, 0.2, 3.3], rel=1e-6)
