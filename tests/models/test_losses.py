"""Every task's loss against a few lines that say what it is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from oracles import score_codes
from tiny_models import make_bundle, scratch
from torch import Tensor

from p5rec.models.checkpoint import Bundle
from p5rec.models.config import HeadsConfig
from p5rec.models.multitask import Batch
from p5rec.models.positions import item_starts

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)


@pytest.fixture(scope="module", params=["positions", "tokens"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return make_bundle(scratch(items=request.param), scale=SCALE)


def batch(bundle: Bundle, rows: int = 4, seed: int = 0) -> dict[str, Tensor]:
    """Rows that ask for items, for words, for both, and for nothing but a rating; padded."""
    rng = np.random.default_rng(seed)
    first = bundle.layout.first
    words = rng.integers(3, first, (rows, 6, 2))
    items = bundle.layout.items[rng.integers(len(bundle.layout.items), size=(rows, 6))]
    chosen = np.where(rng.random((rows, 6, 1)) < 0.5, words, items)
    ids = torch.from_numpy(chosen.reshape(rows, 12))
    labels = ids.clone()
    labels[:, :4] = -100
    labels[1] = torch.where(labels[1] < first, labels[1], -100)
    labels[3] = -100
    labels[2, 10:], ids[2, 10:] = -100, 0
    ratings = torch.full((rows, 12), math.nan)
    for row, token, rating in ((1, 3, 4.0), (3, 5, 2.0), (3, 9, 5.0)):
        ratings[row : row + 1, token] = rating
    return {
        "input_ids": ids,
        "labels": labels,
        "weights": torch.tensor([1.0, 0.5, 2.0, 3.0][:rows])[:, None].repeat(1, 12),
        "ratings": ratings,
    }


@torch.no_grad()
def by_hand(bundle: Bundle, given: dict[str, Tensor]) -> dict[str, float]:
    """Sums over labelled tokens, each from a pass over what stands before it and nothing else."""
    model, layout = bundle.model, bundle.layout
    codes = layout.codes.codes
    catalogue = torch.from_numpy(codes).long()
    ids = given["input_ids"]
    found: dict[str, list[float]] = {
        kind: [] for kind in ("code", "text", "regression", "classification")
    }
    total = 0.0
    for b, row in enumerate(given["labels"].tolist()):
        weight = float(given["weights"][b, 0])
        for t in range(1, len(row)):
            before = ids[b : b + 1, :t]
            if row[t] == -100 or layout.first + layout.codes.sizes[0] <= row[t]:
                continue  # further codes are told with the first
            if row[t] < layout.first:
                embedded, _ = model.embed(before)
                hidden = model.decoder(inputs_embeds=embedded).last_hidden_state[0, -1]
                logits = model.causal.get_output_embeddings()(hidden)
                found["text"].append(-float(logits.log_softmax(0)[row[t]]))
                total += weight * found["text"][-1]
            else:
                named = [row[t + k] - start for k, start in enumerate(model.starts)]
                scores = score_codes(model, before, torch.ones_like(before), catalogue)[0]
                score = scores[catalogue.tolist().index(named)]
                found["code"].append(-float(score) / 2)
                total -= weight * float(score)
        for t, rating in enumerate(given["ratings"][b].tolist()):
            if math.isnan(rating):
                continue
            embedded, _ = model.embed(ids[b : b + 1, : t + 1])
            value, classes = model.heads(
                model.decoder(inputs_embeds=embedded).last_hidden_state[:, -1]
            )
            found["regression"].append(float((value[0] - rating) ** 2))
            found["classification"].append(-float(classes[0].log_softmax(0)[SCALE.index(rating)]))
            total += weight * (found["regression"][-1] + found["classification"][-1])
    return {"sum": total, **{k: float(np.mean(v)) for k, v in found.items()}}


def test_the_loss_is_what_it_says(bundle: Bundle) -> None:
    given = batch(bundle)
    with torch.no_grad():
        out, wanted = bundle.model(Batch(**given)), by_hand(bundle, given)
    asked = int((given["labels"] != -100).sum())
    assert float(out["loss"]) == pytest.approx(wanted["sum"] / asked, rel=1e-5)
    for kind in ("code", "text", "regression", "classification"):
        assert float(out[f"{kind}_loss"]) == pytest.approx(wanted[kind], rel=1e-5)


@torch.no_grad()
def test_candidates_have_the_log_probabilities_of_every_item_s_own_pass(bundle: Bundle) -> None:
    """Four items where an item begins, in two rows; none elsewhere, and the loss stays."""
    model, given = bundle.model, batch(bundle)
    catalogue = torch.from_numpy(bundle.layout.codes.codes).long()
    begins = item_starts(given["input_ids"], model.first, model.sizes)
    begins[:, 0] = begins[1] = begins[3] = False
    assert begins.sum() >= 4
    candidates = torch.full((*begins.shape, 4), -1)
    rows, tokens = begins.nonzero(as_tuple=True)
    items = torch.from_numpy(np.random.default_rng(1).integers(24, size=(len(rows), 4)))
    candidates[rows, tokens] = items
    out = model(Batch(**given, candidates=candidates))
    assert out["candidate_logs"].shape == (len(rows), 4, 2)
    for found, row, token, item in zip(out["candidate_logs"], rows, tokens, items, strict=True):
        before = given["input_ids"][row : row + 1, :token]
        scores = score_codes(model, before, torch.ones_like(before), catalogue)[0]
        assert torch.allclose(found.sum(1), scores[item], atol=1e-4)
    assert float(out["loss"]) == float(model(Batch(**given))["loss"])


def test_a_blank_token_keeps_its_place_and_says_nothing(bundle: Bundle) -> None:
    given = {k: v[:1] for k, v in batch(bundle).items()}
    blank = torch.zeros(1, 12, dtype=torch.bool)
    blank[:, 2:4] = True
    other = given | {"input_ids": given["input_ids"].clone()}
    other["input_ids"][0, 2:4] = torch.from_numpy(bundle.layout.items[5])
    given["input_ids"][0, 2:4] = torch.from_numpy(bundle.layout.items[9])
    with torch.no_grad():
        shown = [float(bundle.model(Batch(**each))["loss"]) for each in (given, other)]
        hidden = [
            float(bundle.model(Batch(**each, blank=blank))["loss"]) for each in (given, other)
        ]
    assert shown[0] != shown[1]
    assert hidden[0] == hidden[1]


def test_a_label_at_the_first_position_cannot_be_asked(bundle: Bundle) -> None:
    given = batch(bundle)
    given["input_ids"][0, :2] = torch.from_numpy(bundle.layout.items[0])
    asked = given | {"labels": given["labels"].clone()}
    asked["labels"][0, :2] = given["input_ids"][0, :2]
    with torch.no_grad():
        losses = [bundle.model(Batch(**each), 9)["loss"] for each in (given, asked)]
    assert torch.equal(*losses)


@torch.no_grad()
def test_weights_scale_their_rows(bundle: Bundle) -> None:
    given = batch(bundle)
    parts = []
    for b in range(4):
        alone = {**given, "weights": torch.eye(4)[b][:, None].repeat(1, 12)}
        parts.append(float(bundle.model(Batch(**alone), 1)["loss"]))
    whole = float(bundle.model(Batch(**given), 1)["loss"])
    weighted = sum(w * part for w, part in zip(given["weights"][:, 0].tolist(), parts, strict=True))
    assert whole == pytest.approx(weighted, rel=1e-5)
    assert min(parts) > 0


def test_what_a_batch_does_not_ask_for_is_nan_and_trains_nothing(bundle: Bundle) -> None:
    given = batch(bundle)
    given["labels"] = torch.full_like(given["labels"], -100)
    given["ratings"] = torch.full((4, 12), math.nan)
    bundle.model.zero_grad()
    out = bundle.model(Batch(**given))
    assert float(out["loss"].detach()) == 0.0
    kinds = ("code", "text", "regression", "classification")
    assert all(math.isnan(float(out[f"{kind}_loss"])) for kind in kinds)
    out["loss"].backward()
    for name, parameter in bundle.model.named_parameters():  # data-parallel training needs them all
        assert parameter.grad is not None, name
        assert not parameter.grad.any(), name


def gradients(bundle: Bundle, batches: list[dict[str, Tensor]], count: int) -> dict[str, Tensor]:
    bundle.model.zero_grad()
    for given in batches:
        bundle.model(Batch(**given), count)["loss"].backward()
    return {name: p.grad.clone() for name, p in bundle.model.named_parameters()}


def test_two_half_batches_give_the_gradient_of_the_whole(bundle: Bundle) -> None:
    whole = batch(bundle)
    halves = [{k: v[rows] for k, v in whole.items()} for rows in (slice(0, 2), slice(2, 4))]
    count = int((whole["labels"] != -100).sum())
    one, two = gradients(bundle, [whole], count), gradients(bundle, halves, count)
    for name in one:
        assert torch.allclose(one[name], two[name], atol=1e-6, rtol=1e-4), name
    assert any(g.abs().max() > 1e-3 for g in one.values())


@torch.no_grad()
def test_a_batch_of_one_needs_no_padding_to_lose_the_same(bundle: Bundle) -> None:
    given = {k: v[2:3] for k, v in batch(bundle).items()}
    short = {k: v[:, :10] if v.ndim == 2 else v for k, v in given.items()}
    assert float(bundle.model(Batch(**given))["loss"]) == pytest.approx(
        float(bundle.model(Batch(**short))["loss"]), rel=1e-6
    )


def test_code_logits_are_a_slice_of_the_whole_head(bundle: Bundle) -> None:
    hidden = torch.randn(5, 32)
    whole = bundle.model.causal.get_output_embeddings()(hidden)
    start = bundle.layout.first
    for level, size in enumerate(bundle.layout.codes.sizes):
        found = bundle.model.code_logits(hidden, level)
        assert torch.allclose(found, whole[:, start : start + size], atol=1e-5)
        start += size


@torch.no_grad()
def test_rows_with_ratings_teach_their_words_only_if_asked_to(bundle: Bundle) -> None:
    given = batch(bundle)
    silent = make_bundle(
        bundle.settings.backbone, scale=SCALE, heads=HeadsConfig(words=False)
    ).model
    found = silent(Batch(**given), 1)
    labels = given["labels"].clone()
    rated = given["ratings"].isfinite().any(1)
    words = rated[:, None] & (labels < bundle.layout.first)
    assert (words & (labels >= 0)).any()
    labels[words] = -100
    wanted = bundle.model(Batch(**{**given, "labels": labels}), 1)
    for name in found.keys() - {"task_losses", "level_losses"}:
        assert float(found[name]) == pytest.approx(float(wanted[name]), rel=1e-6), name
    loud = bundle.model(Batch(**given), 1)
    assert float(loud["loss"]) > 1.01 * float(found["loss"])
