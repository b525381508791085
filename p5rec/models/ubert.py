"""U-BERT: users' habits of reviewing, pre-trained in one domain, predict ratings in another.

Follows Qiu, Wu, Gao and Fan, *U-BERT: Pre-training User Representations for Improved
Recommendation* (AAAI 2021). Pre-training has a review encoder, a user encoder and two tasks: masked
opinion words, and the rating behind a review. Fine-tuning adds an item encoder and the co-matching
of the reviews of a user and an item.

DEVIATIONS: the review encoder is a small transformer over whole words, without BERT's weights;
reviews are matched by one layer of two-way attention; ratings have biases of users and items.

B pairs or reviews, R reviews, K reviews of a user or an item, T words of a review, S words of
several reviews, D width, U users, N items.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

PADDING, MASK, UNKNOWN = 0, 1, 2  # word numbers; the vocabulary starts after them
INIT_STD = 0.02  # of the initial embeddings


@dataclass(frozen=True)
class UbertShape:
    """The size of the networks.

    Attributes:
        users: U.
        items: N.
        domains: number of domains.
        words: size of the vocabulary, special numbers included.
        length: T.
        width: D, a multiple of ``heads``.
        layers: transformer blocks of the review encoder.
        heads: attention heads of each.
        dropout: rate, in the review encoder and before the rating.
    """

    users: int
    items: int
    domains: int
    words: int
    length: int
    width: int
    layers: int
    heads: int
    dropout: float


class Pairs(NamedTuple):
    """B pairs of a user and an item, with reviews.

    Attributes:
        users, items: ``(B,)`` row numbers; U: an unknown user.
        words: ``(R, T)`` word numbers of the distinct reviews.
        user_reviews, item_reviews: ``(B, K)`` rows of ``words``; an absent review is a row of
            padding.
    """

    users: Tensor
    items: Tensor
    words: Tensor
    user_reviews: Tensor
    item_reviews: Tensor


class ReviewEncoder(nn.Module):
    """A transformer over the words of each review."""

    def __init__(self, shape: UbertShape) -> None:
        super().__init__()
        width = shape.width
        self.words = nn.Embedding(shape.words, width, padding_idx=PADDING)
        self.positions = nn.Embedding(shape.length, width)
        nn.init.normal_(self.words.weight, std=INIT_STD)
        nn.init.normal_(self.positions.weight, std=INIT_STD)
        self.before, self.dropout = nn.LayerNorm(width), nn.Dropout(shape.dropout)
        block = nn.TransformerEncoderLayer(
            width, shape.heads, 2 * width, shape.dropout, "gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(
            block, shape.layers, nn.LayerNorm(width), enable_nested_tensor=False
        )

    def forward(self, words: Tensor) -> Tensor:
        """``(R, T)`` word numbers to ``(R, T, D)`` states."""
        absent = words == PADDING
        absent[:, 0] = False  # a review without words needs a key; its states are never read
        embedded = self.words(words) + self.positions.weight[: words.shape[1]]
        states: Tensor = self.blocks(
            self.dropout(self.before(embedded)), src_key_padding_mask=absent
        )
        return states


class EntityEncoder(nn.Module):
    """The vector of a user or an item: its embedding, fused with what it attends to in reviews."""

    def __init__(self, count: int, width: int) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(count + 1, width, padding_idx=count)  # the last: unknown
        self.biases = nn.Embedding(count + 1, 1)
        self.query, self.fuse = nn.Linear(width, width), nn.Linear(2 * width, width)
        self.norm = nn.LayerNorm(width)
        nn.init.zeros_(self.embeddings.weight)  # without training events, as an unknown one
        nn.init.zeros_(self.biases.weight)

    def forward(self, own: Tensor, states: Tensor, real: Tensor) -> Tensor:
        """``(B, D)``; without words, the embedding alone counts.

        Args:
            own: ``(B, D)`` embeddings.
            states: ``(B, S, D)`` of the words of reviews.
            real: ``(B, S)`` bool, words that are no padding.
        """
        scores = (states @ self.query(own)[..., None])[..., 0] * own.shape[-1] ** -0.5
        read = (attention(scores, real)[:, None] @ states)[:, 0]
        fused: Tensor = self.norm(own + torch.relu(self.fuse(torch.cat([own, read], -1))))
        return fused


class UserEncoder(EntityEncoder):
    """The user's vector in a domain."""

    def __init__(self, shape: UbertShape) -> None:
        super().__init__(shape.users, shape.width)
        self.domains = nn.Embedding(shape.domains, shape.width)
        nn.init.normal_(self.domains.weight, std=INIT_STD)

    def own(self, users: Tensor, domains: Tensor) -> Tensor:
        """``(B, D)`` the sum of the embeddings of ``users (B,)`` and ``domains (B,)``."""
        embedded: Tensor = self.embeddings(users) + self.domains(domains)
        return embedded


class CoMatching(nn.Module):
    """Compares the reviews of a user with those of an item, word by word in both directions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.affinity = nn.Linear(width, width, bias=False)
        self.compare = nn.Linear(3 * width, width)
        self.pool = nn.Linear(width, 1)

    def forward(self, user: Tensor, user_real: Tensor, item: Tensor, item_real: Tensor) -> Tensor:
        """``(B, 2 D)``: the user's side, then the item's.

        Args:
            user, item: ``(B, S, D)`` states of words.
            user_real, item_real: ``(B, S)`` bool.
        """
        scores = self.affinity(user) @ item.mT * user.shape[-1] ** -0.5
        sides = (
            self._side(user, user_real, item, item_real, scores),
            self._side(item, item_real, user, user_real, scores.mT),
        )
        return torch.cat(sides, -1)

    def _side(
        self, own: Tensor, own_real: Tensor, other: Tensor, other_real: Tensor, scores: Tensor
    ) -> Tensor:
        matched = attention(scores, other_real[:, None]) @ other
        compared = torch.relu(self.compare(torch.cat([own, matched, own * matched], -1)))
        weights = attention(self.pool(compared)[..., 0], own_real)
        return (weights[:, None] @ compared)[:, 0]


class PretrainingNetwork(nn.Module):
    """Predicts masked opinion words and ratings from a user and a review.

    Args:
        shape: the sizes.
        opinions: ``(O,)`` word numbers of the opinion words.
    """

    opinions: Tensor

    def __init__(self, shape: UbertShape, opinions: Tensor) -> None:
        super().__init__()
        self.reviews, self.users = ReviewEncoder(shape), UserEncoder(shape)
        self.word = nn.Sequential(nn.Linear(2 * shape.width, shape.width), nn.GELU())
        self.dropout, self.rating = nn.Dropout(shape.dropout), nn.Linear(shape.width, 1)
        self.register_buffer("opinions", opinions)

    def forward(
        self, users: Tensor, domains: Tensor, words: Tensor, masked: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The ratings ``(B,)``, and the logits ``(M, O)`` of the masked words.

        Args:
            users, domains: ``(B,)``.
            words: ``(B, T)``, with ``MASK`` where words are masked.
            masked: ``(B, T)`` bool, M masked words.
        """
        own, states = self.users.own(users, domains), self.reviews(words)
        row = masked.nonzero()[:, 0]
        hidden = self.word(torch.cat([states[masked], own[row]], -1))
        logits = hidden @ self.reviews.words(self.opinions).T
        return self._rate(users, own, states, words != PADDING), logits

    def rate(self, pairs: Pairs) -> Tensor:
        """``(B,)`` ratings in the first domain, from the item's reviews as if the user wrote them.

        Nothing in pre-training depends on the item.
        """
        states, real = gather(self.reviews(pairs.words), pairs.words, pairs.item_reviews)
        own = self.users.own(pairs.users, torch.zeros_like(pairs.users))
        return self._rate(pairs.users, own, states, real)

    def _rate(self, users: Tensor, own: Tensor, states: Tensor, real: Tensor) -> Tensor:
        user = self.dropout(self.users(own, states, real))
        rating: Tensor = (self.rating(user) + self.users.biases(users))[:, 0]
        return rating


class FineTuningNetwork(nn.Module):
    """Predicts a user's rating of an item from both sides' reviews of other pairs."""

    def __init__(self, shape: UbertShape) -> None:
        super().__init__()
        width = shape.width
        self.reviews, self.users = ReviewEncoder(shape), UserEncoder(shape)
        self.items = EntityEncoder(shape.items, width)
        self.matching = CoMatching(width)
        self.rating = nn.Sequential(
            nn.Dropout(shape.dropout), nn.Linear(4 * width, width), nn.ReLU(), nn.Linear(width, 1)
        )

    def rate(self, pairs: Pairs) -> Tensor:
        """``(B,)`` ratings in the first domain."""
        encoded = self.reviews(pairs.words)
        of_user = gather(encoded, pairs.words, pairs.user_reviews)
        of_item = gather(encoded, pairs.words, pairs.item_reviews)
        own = self.users.own(pairs.users, torch.zeros_like(pairs.users))
        sides = (
            self.users(own, *of_user),
            self.items(self.items.embeddings(pairs.items), *of_item),
            self.matching(*of_user, *of_item),
        )
        biases = self.users.biases(pairs.users) + self.items.biases(pairs.items)
        rating: Tensor = (self.rating(torch.cat(sides, -1)) + biases)[:, 0]
        return rating


def attention(scores: Tensor, real: Tensor) -> Tensor:
    """Softmax over the last dimension of ``scores (..., S)`` where ``real``; all 0 without any."""
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~real, lowest).softmax(-1) * real


def gather(states: Tensor, words: Tensor, reviews: Tensor) -> tuple[Tensor, Tensor]:
    """The states ``(B, K T, D)`` of reviews in a row, and which words ``(B, K T)`` are real.

    Args:
        states: ``(R, T, D)``.
        words: ``(R, T)``.
        reviews: ``(B, K)`` rows of both.
    """
    return states[reviews].flatten(1, 2), (words[reviews] != PADDING).flatten(1)
