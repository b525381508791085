"""The losses of all tasks against a plain implementation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from oracles import score_codes
from tiny_models import make_bundle, scratch
from torch import Tensor

from p5rec.models.bundle import Bundle
from p5rec.models.config import HeadsConfig
from p5rec.models.multitask import Batch
from p5rec.models.positions import item_starts

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)


@pytest.fixture(scope="module", params=["positions", "tokens"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return make_bundle(scratch(items=request.param), scale=SCALE)


def batch(bundle: Bundle, n_rows: int = 4, seed: int = 0) -> dict[str, Tensor]:
    """Padded sequences with items, words, both, or only a rating as targets."""
    rng = np.random.default_rng(seed)
    first = bundle.layout.first
    words = rng.integers(3, first, (n_rows, 6, 2))
    items = bundle.layout.items[rng.integers(len(bundle.layout.items), size=(n_rows, 6))]
    chosen = np.where(rng.random((n_rows, 6, 1)) < 0.5, words, items)
    ids = torch.from_numpy(chosen.reshape(n_rows, 12))
    labels = ids.clone()
    labels[:, :4] = -100
    labels[1] = torch.where(labels[1] < first, labels[1], -100)
    labels[3] = -100
    labels[2, 10:], ids[2, 10:] = -100, 0
    ratings = torch.full((n_rows, 12), math.nan)
    for labels_of_row, token, rating in ((1, 3, 4.0), (3, 5, 2.0), (3, 9, 5.0)):
        ratings[labels_of_row : labels_of_row + 1, token] = rating
    return {
        "input_ids": ids,
        "labels": labels,
        "weights": torch.tensor([1.0, 0.5, 2.0, 3.0][:n_rows])[:, None].repeat(1, 12),
        "ratings": ratings,
    }


@torch.no_grad()
def by_hand(bundle: Bundle, data: dict[str, Tensor]) -> dict[str, float]:
    """Losses of labelled tokens, each from its own pass over the tokens before it."""
    model, layout = bundle.model, bundle.layout
    codes = layout.codes.codes
    catalogue = torch.from_numpy(codes).long()
    ids = data["input_ids"]
    actual: dict[str, list[float]] = {
        kind: [] for kind in ("code", "text", "regression", "classification")
    }
    total = 0.0
    for b, labels_of_row in enumerate(data["labels"].tolist()):
        weight = float(data["weights"][b, 0])
        for t in range(1, len(labels_of_row)):
            before = ids[b : b + 1, :t]
            if labels_of_row[t] == -100 or layout.first + layout.codes.sizes[0] <= labels_of_row[t]:
                continue  # further codes are counted with the first
            if labels_of_row[t] < layout.first:
                embedded, _ = model.embed(before)
                hidden = model.decoder(inputs_embeds=embedded).last_hidden_state[0, -1]
                logits = model.causal.get_output_embeddings()(hidden)
                actual["text"].append(-float(logits.log_softmax(0)[labels_of_row[t]]))
                total += weight * actual["text"][-1]
            else:
                named = [labels_of_row[t + k] - start for k, start in enumerate(model.starts)]
                scores = score_codes(model, before, torch.ones_like(before), catalogue)[0]
                score = scores[catalogue.tolist().index(named)]
                actual["code"].append(-float(score) / 2)
                total -= weight * float(score)
        for t, rating in enumerate(data["ratings"][b].tolist()):
            if math.isnan(rating):
                continue
            embedded, _ = model.embed(ids[b : b + 1, : t + 1])
            value, classes = model.heads(
                model.decoder(inputs_embeds=embedded).last_hidden_state[:, -1]
            )
            actual["regression"].append(float((value[0] - rating) ** 2))
            actual["classification"].append(-float(classes[0].log_softmax(0)[SCALE.index(rating)]))
            total += weight * (actual["regression"][-1] + actual["classification"][-1])
    return {"sum": total, **{k: float(np.mean(v)) for k, v in actual.items()}}


def test_the_loss_by_hand(bundle: Bundle) -> None:
    data = batch(bundle)
    with torch.no_grad():
        out, expected = bundle.model(Batch(**data)), by_hand(bundle, data)
    with_label = int((data["labels"] != -100).sum())
    assert float(out["loss"]) == pytest.approx(expected["sum"] / with_label, rel=1e-5)
    for kind in ("code", "text", "regression", "classification"):
        assert float(out[f"{kind}_loss"]) == pytest.approx(expected[kind], rel=1e-5)


@torch.no_grad()
def test_candidates_have_the_log_probabilities_of_separate_passes(bundle: Bundle) -> None:
    """Four candidates at each item of two sequences; the loss does not change."""
    model, data = bundle.model, batch(bundle)
    catalogue = torch.from_numpy(bundle.layout.codes.codes).long()
    item_begins = item_starts(data["input_ids"], model.first, model.sizes)
    item_begins[:, 0] = item_begins[1] = item_begins[3] = False
    assert item_begins.sum() >= 4
    candidates = torch.full((*item_begins.shape, 4), -1)
    n_rows, tokens = item_begins.nonzero(as_tuple=True)
    items = torch.from_numpy(np.random.default_rng(1).integers(24, size=(len(n_rows), 4)))
    candidates[n_rows, tokens] = items
    out = model(Batch(**data, candidates=candidates))
    assert out["candidate_logs"].shape == (len(n_rows), 4, 2)
    for actual, labels_of_row, token, item in zip(
        out["candidate_logs"], n_rows, tokens, items, strict=True
    ):
        before = data["input_ids"][labels_of_row : labels_of_row + 1, :token]
        scores = score_codes(model, before, torch.ones_like(before), catalogue)[0]
        assert torch.allclose(actual.sum(1), scores[item], atol=1e-4)
    assert float(out["loss"]) == float(model(Batch(**data))["loss"])


def test_a_blank_token_has_no_influence(bundle: Bundle) -> None:
    data = {k: v[:1] for k, v in batch(bundle).items()}
    blank = torch.zeros(1, 12, dtype=torch.bool)
    blank[:, 2:4] = True
    other = data | {"input_ids": data["input_ids"].clone()}
    other["input_ids"][0, 2:4] = torch.from_numpy(bundle.layout.items[5])
    data["input_ids"][0, 2:4] = torch.from_numpy(bundle.layout.items[9])
    with torch.no_grad():
        visible = [float(bundle.model(Batch(**each))["loss"]) for each in (data, other)]
        hidden = [float(bundle.model(Batch(**each, blank=blank))["loss"]) for each in (data, other)]
    assert visible[0] != visible[1]
    assert hidden[0] == hidden[1]


def test_a_label_at_the_first_position_is_ignored(bundle: Bundle) -> None:
    data = batch(bundle)
    data["input_ids"][0, :2] = torch.from_numpy(bundle.layout.items[0])
    with_label = data | {"labels": data["labels"].clone()}
    with_label["labels"][0, :2] = data["input_ids"][0, :2]
    with torch.no_grad():
        losses = [bundle.model(Batch(**each), 9)["loss"] for each in (data, with_label)]
    assert torch.equal(*losses)


@torch.no_grad()
def test_weights_scale_the_loss_of_their_sequence(bundle: Bundle) -> None:
    data = batch(bundle)
    by_sequence = []
    for b in range(4):
        one_sequence = {**data, "weights": torch.eye(4)[b][:, None].repeat(1, 12)}
        by_sequence.append(float(bundle.model(Batch(**one_sequence), 1)["loss"]))
    full_batch = float(bundle.model(Batch(**data), 1)["loss"])
    weighted = sum(
        w * loss for w, loss in zip(data["weights"][:, 0].tolist(), by_sequence, strict=True)
    )
    assert full_batch == pytest.approx(weighted, rel=1e-5)
    assert min(by_sequence) > 0


def test_a_term_without_targets_is_nan_and_has_no_gradient(bundle: Bundle) -> None:
    data = batch(bundle)
    data["labels"] = torch.full_like(data["labels"], -100)
    data["ratings"] = torch.full((4, 12), math.nan)
    bundle.model.zero_grad()
    out = bundle.model(Batch(**data))
    assert float(out["loss"].detach()) == 0.0
    kinds = ("code", "text", "regression", "classification")
    assert all(math.isnan(float(out[f"{kind}_loss"])) for kind in kinds)
    out["loss"].backward()
    for (
        name,
        parameter,
    ) in bundle.model.named_parameters():  # data-parallel training needs all gradients
        assert parameter.grad is not None, name
        assert not parameter.grad.any(), name


def gradients(bundle: Bundle, batches: list[dict[str, Tensor]], count: int) -> dict[str, Tensor]:
    bundle.model.zero_grad()
    for data in batches:
        bundle.model(Batch(**data), count)["loss"].backward()
    return {name: p.grad.clone() for name, p in bundle.model.named_parameters()}


def test_two_half_batches_give_the_gradient_of_the_full_batch(bundle: Bundle) -> None:
    full_batch = batch(bundle)
    halves = [
        {k: v[n_rows] for k, v in full_batch.items()} for n_rows in (slice(0, 2), slice(2, 4))
    ]
    count = int((full_batch["labels"] != -100).sum())
    one, two = gradients(bundle, [full_batch], count), gradients(bundle, halves, count)
    for name in one:
        assert torch.allclose(one[name], two[name], atol=1e-6, rtol=1e-4), name
    assert any(g.abs().max() > 1e-3 for g in one.values())


@torch.no_grad()
def test_padding_does_not_change_the_loss_of_a_batch_of_one(bundle: Bundle) -> None:
    data = {k: v[2:3] for k, v in batch(bundle).items()}
    short = {k: v[:, :10] if v.ndim == 2 else v for k, v in data.items()}
    assert float(bundle.model(Batch(**data))["loss"]) == pytest.approx(
        float(bundle.model(Batch(**short))["loss"]), rel=1e-6
    )


def test_code_logits_are_a_slice_of_the_output_head(bundle: Bundle) -> None:
    hidden = torch.randn(5, 32)
    full_batch = bundle.model.causal.get_output_embeddings()(hidden)
    start = bundle.layout.first
    for level, size in enumerate(bundle.layout.codes.sizes):
        actual = bundle.model.code_logits(hidden, level)
        assert torch.allclose(actual, full_batch[:, start : start + size], atol=1e-5)
        start += size


@torch.no_grad()
def test_rating_words_are_trained_only_if_configured(bundle: Bundle) -> None:
    data = batch(bundle)
    without_words = make_bundle(
        bundle.settings.backbone, scale=SCALE, heads=HeadsConfig(words=False)
    ).model
    actual = without_words(Batch(**data), 1)
    labels = data["labels"].clone()
    rated = data["ratings"].isfinite().any(1)
    words = rated[:, None] & (labels < bundle.layout.first)
    assert (words & (labels >= 0)).any()
    labels[words] = -100
    expected = bundle.model(Batch(**{**data, "labels": labels}), 1)
    for name in actual.keys() - {"task_losses", "level_losses"}:
        assert float(actual[name]) == pytest.approx(float(expected[name]), rel=1e-6), name
    with_words = bundle.model(Batch(**data), 1)
    assert float(with_words["loss"]) > 1.01 * float(actual["loss"])
