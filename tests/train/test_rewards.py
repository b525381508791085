"""Rewards of sampled items by hand; the order of a group has no influence."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from p5rec.train.alignment.rewards import Group, advantages, hit, prefix, rank, reward

GROUP = Group(
    hits=torch.tensor([[False, True, False, False], [False, False, False, False]]),
    logs=torch.tensor([[-3.0, -2.0, -1.0, -4.0], [-1.0, -2.0, -3.0, -4.0]]),
    shared=torch.tensor([[1, 2, 0, 1], [0, 0, 1, 0]]),
    levels=2,
)


def test_hits_and_shared_codes() -> None:
    assert hit(GROUP).tolist() == [[0, 1, 0, 0], [0, 0, 0, 0]]
    assert prefix(GROUP).tolist() == [[0.5, 1, 0, 0.5], [0, 0, 0.5, 0]]


def test_a_miss_has_its_discount_if_the_group_has_a_hit() -> None:
    assert GROUP.ranks.tolist() == [[3, 2, 1, 4], [1, 2, 3, 4]]
    third, first, fourth = (1 / math.log2(r + 1) for r in (3, 1, 4))
    total = first + third + fourth
    actual = rank(GROUP)
    assert actual[0].tolist() == pytest.approx([-third / total, 0, -first / total, -fourth / total])
    assert actual[1].tolist() == [0, 0, 0, 0]


def test_rewards_add_up_by_their_weights() -> None:
    actual = reward(GROUP, {"hit": 2.0, "prefix": 0.5})
    assert actual.tolist() == [[0.25, 2.5, 0, 0.25], [0, 0, 0.25, 0]]


def test_a_group_of_hits_has_no_rank_penalty() -> None:
    both = replace(GROUP, hits=torch.ones(2, 4, dtype=torch.bool))
    assert rank(both).tolist() == [[0] * 4] * 2


def test_advantages_are_standardised_rewards() -> None:
    actual = advantages(torch.tensor([[1.0, 0, 0, 3], [2.0, 2, 2, 2]]))
    std = math.sqrt(((1 - 1) ** 2 + 1 + 1 + 4) / 3)
    assert actual[0].tolist() == pytest.approx([0, -1 / std, -1 / std, 2 / std], rel=1e-3)
    assert actual[1].tolist() == [0] * 4


def test_the_order_of_a_group_has_no_influence() -> None:
    order = torch.tensor([2, 0, 3, 1])
    other = replace(
        GROUP, **{name: getattr(GROUP, name)[:, order] for name in ("hits", "logs", "shared")}
    )
    weights = {"hit": 1.0, "rank": 0.7, "prefix": 0.3}
    one, two = advantages(reward(GROUP, weights)), advantages(reward(other, weights))
    assert torch.allclose(one[:, order], two)
