"""What drawn items are worth, worked out by hand; and that the order of a group says nothing."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from p5rec.train.alignment.rewards import Group, advantages, hit, prefix, rank, reward

GROUP = Group(
    right=torch.tensor([[False, True, False, False], [False, False, False, False]]),
    logs=torch.tensor([[-3.0, -2.0, -1.0, -4.0], [-1.0, -2.0, -3.0, -4.0]]),
    shared=torch.tensor([[1, 2, 0, 1], [0, 0, 1, 0]]),
    levels=2,
)


def test_hits_and_shared_codes() -> None:
    assert hit(GROUP).tolist() == [[0, 1, 0, 0], [0, 0, 0, 0]]
    assert prefix(GROUP).tolist() == [[0.5, 1, 0, 0.5], [0, 0, 0.5, 0]]


def test_a_miss_costs_its_discount_where_the_group_has_the_right_item() -> None:
    assert GROUP.ranks.tolist() == [[3, 2, 1, 4], [1, 2, 3, 4]]
    third, first, fourth = (1 / math.log2(r + 1) for r in (3, 1, 4))
    total = first + third + fourth
    found = rank(GROUP)
    assert found[0].tolist() == pytest.approx([-third / total, 0, -first / total, -fourth / total])
    assert found[1].tolist() == [0, 0, 0, 0]


def test_rewards_add_up_by_their_weights() -> None:
    found = reward(GROUP, {"hit": 2.0, "prefix": 0.5})
    assert found.tolist() == [[0.25, 2.5, 0, 0.25], [0, 0, 0.25, 0]]


def test_a_group_of_nothing_but_hits_has_no_miss_to_rank() -> None:
    both = replace(GROUP, right=torch.ones(2, 4, dtype=torch.bool))
    assert rank(both).tolist() == [[0] * 4] * 2


def test_advantages_are_rewards_in_standard_deviations_of_their_group() -> None:
    found = advantages(torch.tensor([[1.0, 0, 0, 3], [2.0, 2, 2, 2]]))
    spread = math.sqrt(((1 - 1) ** 2 + 1 + 1 + 4) / 3)
    assert found[0].tolist() == pytest.approx([0, -1 / spread, -1 / spread, 2 / spread], rel=1e-3)
    assert found[1].tolist() == [0] * 4


def test_the_order_in_which_a_group_is_told_says_nothing() -> None:
    order = torch.tensor([2, 0, 3, 1])
    other = replace(
        GROUP, **{name: getattr(GROUP, name)[:, order] for name in ("right", "logs", "shared")}
    )
    weights = {"hit": 1.0, "rank": 0.7, "prefix": 0.3}
    one, two = advantages(reward(GROUP, weights)), advantages(reward(other, weights))
    assert torch.allclose(one[:, order], two)
