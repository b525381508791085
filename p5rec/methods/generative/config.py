"""The settings of a linear part."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from p5rec.core.config import Config


class LinearConfig(Config):
    """Item-to-item weights (:class:`p5rec.models.linear.Linear`).

    Attributes:
        kind: ``ease`` (Steck 2019, arXiv:1905.03375); ``item-knn``, the cosine of two items' users;
            ``auto``, EASE up to ``max_items``, whose cubic time and square memory it cannot afford
            beyond.
        l2: of EASE, in users.
        kept: weights of each item that are kept, the largest by their size.
        max_items: of ``auto``.
        popularity_discount: an item's weights are divided by its training events to this power,
            between 0 (least squares, which favour what is popular) and 1 (Steck 2011, "Item
            popularity and recommendation accuracy", has such a power in what is counted).
    """

    kind: Literal["auto", "ease", "item-knn"] = "auto"
    l2: float = Field(100.0, gt=0)
    kept: int = Field(500, ge=1)
    max_items: int = Field(20_000, ge=1)
    popularity_discount: float = Field(0.3, ge=0, le=1)
