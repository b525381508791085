"""The rating heads: losses, initial values and estimates."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import make_bundle, scratch, some_codes

from p5rec.models.config import HeadsConfig
from p5rec.models.heads import CumulativeLink, RatingHeads

SCALE = (1.0, 2.0, 3.0, 4.0, 5.0)
KINDS = [
    HeadsConfig(regression=regression, classification=classification, balance=0.7)
    for regression in ("mse", "huber", None)
    for classification in ("ce", "ordinal", None)
]


def heads_of(config: HeadsConfig, scale: tuple[float, ...] = SCALE) -> RatingHeads:
    """Heads with random weights."""
    heads, generator = RatingHeads(8, scale, config), torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in heads.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator))
    return heads


def probabilities(heads: RatingHeads, hidden: torch.Tensor) -> np.ndarray:
    """``(B, K)`` of each class, from the definition of the head."""
    predict = heads.norm(hidden)
    if isinstance(heads.classification, torch.nn.Linear):
        return heads.classification(predict).softmax(-1).numpy().astype(float)
    score = heads.classification.score(predict).numpy().astype(float)
    steps = heads.classification.steps.numpy().astype(float)
    thresholds = np.cumsum([steps[0], *np.log1p(np.exp(steps[1:]))])
    cumulative = 1 / (1 + np.exp(score - thresholds))
    return np.diff(np.pad(cumulative, ((0, 0), (1, 1)), constant_values=(0, 1)), axis=1)


@torch.no_grad()
@pytest.mark.parametrize("config", KINDS[:-1], ids=str)
@pytest.mark.system("rating-study")
def test_losses_equal_those_by_hand(config: HeadsConfig) -> None:
    heads, hidden = heads_of(config), torch.randn(4, 8, generator=torch.manual_seed(1))
    ratings = torch.tensor([4.0, 1.0, 5.0, 3.0])
    each, by_head = heads.loss(hidden, ratings)
    expected = {}
    if config.regression:
        off = heads.regression(heads.norm(hidden))[:, 0].numpy() - ratings.numpy()
        size = np.abs(off)
        huber = np.where(size < 1, off**2 / 2, size - 0.5)
        expected["regression_loss"] = huber if config.regression == "huber" else off**2
    if config.classification:
        classes = ratings.numpy().astype(int) - 1
        chance = probabilities(heads, hidden)[np.arange(4), classes]
        expected["classification_loss"] = -np.log(chance)
    assert by_head.keys() == expected.keys()
    for name, losses in by_head.items():
        assert losses.numpy() == pytest.approx(expected[name], rel=1e-4)
    balance = {"regression_loss": 0.7, "classification_loss": 1.0}
    both = sum(balance[name] * losses for name, losses in expected.items())
    assert each.numpy() == pytest.approx(both, rel=1e-4)
    none, nothing = heads.loss(hidden[:0], torch.empty(0))
    assert [len(none), *map(len, nothing.values())] == [0] * (1 + len(expected))


@torch.no_grad()
@pytest.mark.parametrize("config", KINDS[:-1], ids=str)
@pytest.mark.system("rating-study")
def test_estimates_equal_those_by_hand(config: HeadsConfig) -> None:
    scale = (0.5, 2.0, 2.5, 4.0, 4.5)
    heads, hidden = heads_of(config, scale), torch.randn(40, 8, generator=torch.manual_seed(1))
    actual, expected = heads.predict(hidden), {}
    if config.regression:
        value = heads.regression(heads.norm(hidden))[:, 0].numpy()
        expected["regression"] = value
    if config.classification:
        chances = probabilities(heads, hidden)
        expected["class"] = np.array(scale)[chances.argmax(1)]
        expected["expectation"] = chances @ np.array(scale)
    if len(expected) == 3:
        expected["mean"] = (expected["regression"] + expected["expectation"]) / 2
    assert actual.keys() == expected.keys()
    for name, estimate in actual.items():
        assert np.allclose(estimate, expected[name].clip(0.5, 4.5), atol=1e-5), name
    if "regression" in expected:
        assert expected["regression"].max() > 4.5  # so that something is clipped


@torch.no_grad()
def test_thresholds_always_ascend() -> None:
    link = CumulativeLink(8, 6)
    for seed in range(20):
        torch.nn.init.normal_(link.steps, std=4, generator=torch.manual_seed(seed))
        assert (link.thresholds.diff() > 0).all()
        logs = link(10 * torch.randn(50, 8))
        assert torch.allclose(logs.exp().sum(-1), torch.ones(50), atol=1e-5)
        assert logs.isfinite().all()  # gradients exist far from the target class


def test_an_ordinal_head_learns_an_order() -> None:
    """Only the score changes, so the order of the classes holds for every input."""
    torch.manual_seed(0)
    heads = RatingHeads(4, SCALE, HeadsConfig(regression=None, classification="ordinal"))
    hidden = torch.randn(400, 4)
    ratings = (3 + 1.2 * hidden[:, 0]).round().clamp(1, 5)
    heads.init_to_marginal(ratings)
    optimiser = torch.optim.Adam(heads.parameters(), lr=0.05)
    first = float(heads.loss(hidden, ratings)[0].detach().sum())
    for _ in range(150):
        optimiser.zero_grad()
        loss = heads.loss(hidden, ratings)[0].sum()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.75 * first
    with torch.no_grad():
        estimate = heads.predict(hidden)["expectation"]
    assert float((estimate - ratings).square().mean().sqrt()) < 0.75 * float(ratings.std())


@torch.no_grad()
@pytest.mark.parametrize("classification", ["ce", "ordinal"])
def test_heads_can_be_initialised_to_the_rating_distribution(classification: str) -> None:
    heads = RatingHeads(8, SCALE, HeadsConfig(classification=classification))
    heads.init_to_marginal(torch.tensor([5.0, 5, 5, 3]))
    value, logs = heads(torch.randn(3, 8))
    assert value.tolist() == [4.5] * 3
    shares = logs.exp()
    assert shares[:, 4] / shares[:, 2] == pytest.approx(torch.full((3,), 3.0), rel=1e-4)
    assert (shares[:, 0] > 0).all()  # classes without ratings stay possible


def test_a_fresh_head_predicts_the_middle_of_the_scale() -> None:
    value, _ = RatingHeads(8, SCALE)(torch.randn(4, 8))
    assert value.tolist() == [3.0] * 4


def test_a_scale_of_one_rating_has_no_loss() -> None:
    heads = RatingHeads(8, (3.0,), HeadsConfig(classification="ordinal"))
    each, by_head = heads.loss(torch.randn(5, 8), torch.full((5,), 3.0))
    assert not by_head["classification_loss"].any()
    each.sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in heads.parameters())


@pytest.mark.parametrize("config", KINDS, ids=str)
def test_a_model_has_the_heads_of_its_config(config: HeadsConfig) -> None:
    heads = make_bundle(scratch(), some_codes(), scale=SCALE, heads=config).model.heads
    assert (heads is None) == (config == HeadsConfig.none().model_copy(update={"balance": 0.7}))
    if heads is not None:
        names = {name.split(".")[0] for name, _ in heads.named_parameters()}
        heads_in_config = {"regression": config.regression, "classification": config.classification}
        assert names == {"norm", *(name for name, loss in heads_in_config.items() if loss)}


def test_heads_predict_in_any_precision(native_bfloat16: None) -> None:
    bundle = make_bundle(scratch(), some_codes(), scale=(0.1, 0.2, 3.3)).ready("bfloat16")
    with torch.no_grad():
        actual = bundle.model.heads.predict(torch.randn(4, 32, dtype=torch.bfloat16))
    assert {estimate.dtype for estimate in actual.values()} == {torch.float32}
    assert bundle.model.heads.scale.tolist() == pytest.approx([0.1, 0.2, 3.3], rel=1e-6)
