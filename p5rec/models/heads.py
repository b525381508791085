"""Heads on a hidden state: code head (codes after the first), item head, rating heads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import (
    dropout,
    gelu,
    huber_loss,
    logsigmoid,
    mse_loss,
    nll_loss,
    normalize,
    softplus,
)

from p5rec.backbones.precision import fast_dtype

from .catalogue import catalogue_loss, sample_items
from .config import HeadsConfig, ItemHeadConfig


class CodeHead(nn.Module):
    """Predicts the state before the next code from the state before the item and earlier codes.

    With a code head an item takes one position of the language model instead of L: the language
    model runs once an item, this small network once a code. The RQ-Transformer (Lee et al. 2022,
    arXiv:2203.01941, section 3.2.2) introduced a small second network for the codes within a
    position. DEVIATION: a perceptron over the sum of the code embeddings replaces its transformer.

    Args:
        width: D.
        dropout: dropout rate of the hidden layer.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.up = nn.Linear(2 * width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = dropout

    def forward(self, hidden: Tensor, codes: Tensor) -> Tensor:
        """``(..., D)`` states before items, ``(..., D)`` sums of code embeddings → ``(..., D)``."""
        hidden = hidden.float()
        inner = gelu(self.up(torch.cat([hidden, codes.float()], dim=-1)))
        return self.norm(hidden + self.down(dropout(inner, self.dropout, self.training)))


class ItemHead(nn.Module):
    """An item-level softmax over the catalogue: cosine of states and item vectors.

    The item head learns what is specific to an item and scores all items at once; the codes learn
    what an item shares with others. Both use the same embeddings.

    Args:
        width: D.
        config: its loss.
    """

    def __init__(self, width: int, config: ItemHeadConfig) -> None:
        super().__init__()
        self.config, self.norm = config, nn.LayerNorm(width)

    def forward(self, hidden: Tensor) -> Tensor:
        """``(..., D)`` states before items → ``(..., D)``; products with :meth:`vectors` are
        logits."""
        return normalize(self.norm(hidden.float()), dim=-1) / self.config.temperature

    def vectors(self, embeddings: Tensor) -> Tensor:
        """``(N, D)`` item embeddings → ``(N, D)`` unit vectors."""
        return normalize(embeddings.float(), dim=-1)

    def loss(self, hidden: Tensor, embeddings: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """The weighted sum of the losses of M targets, in nats.

        Args:
            hidden: ``(M, D)`` states before items.
            embeddings: ``(N, D)`` of all items.
            targets: ``(M,)`` items.
            weights: ``(M,)``.
        """
        device = hidden.device
        sampled = sample_items(len(embeddings), self.config.negatives, device)
        states, table = self(hidden), self.vectors(embeddings)
        with torch.autocast(device.type, enabled=False):
            return catalogue_loss(
                states, table, targets, sampled, fast_dtype(device), self.config.weight * weights
            )


class CumulativeLink(nn.Module):
    """One score against ascending thresholds: P(class <= k) = sigmoid(threshold_k - score).

    The proportional odds model (McCullagh 1980, *Regression models for ordinal data*, section 2).
    Each threshold after the first is its predecessor plus a softplus, so thresholds always ascend.

    Args:
        width: D.
        classes: K.
    """

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1, bias=False)
        self.steps = nn.Parameter(torch.zeros(classes - 1))

    @property
    def thresholds(self) -> Tensor:
        """``(K - 1,)``, ascending."""
        return torch.cat([self.steps[:1], softplus(self.steps[1:])]).cumsum(0)

    def forward(self, hidden: Tensor) -> Tensor:
        """``(B, D)`` → ``(B, K)`` log-probabilities of the classes."""
        end, score = self.steps.new_tensor([torch.inf]), self.score(hidden)
        edges = torch.cat([-end, self.thresholds, end])
        low, high = edges[:-1], edges[1:]
        # log(sigmoid(a) - sigmoid(b)) without overflow or cancellation
        between = torch.log(-torch.expm1(low - high))
        return logsigmoid(high - score) + logsigmoid(score - low) + between

    def init_to_marginal(self, shares: Tensor) -> None:
        """Initialises the predictions to class frequencies ``shares (K,)``, all above 0."""
        thresholds = shares.cumsum(0)[:-1].logit()
        gaps = thresholds.diff()
        self.steps.copy_(torch.cat([thresholds[:1], gaps + torch.log(-torch.expm1(-gaps))]))
        nn.init.zeros_(self.score.weight)


class RatingHeads(nn.Module):
    """A regression head, a classification head, or both over one hidden state.

    Args:
        width: D, the hidden size.
        scale: the K distinct ratings, ascending.
        config: which heads exist, and their losses.
    """

    scale: Tensor

    def __init__(
        self, width: int, scale: Sequence[float], config: HeadsConfig | None = None
    ) -> None:
        super().__init__()
        self.config = config or HeadsConfig()
        self.register_buffer("scale", torch.tensor(scale, dtype=torch.float32), persistent=False)
        self.norm = nn.LayerNorm(width)
        self.regression = nn.Linear(width, 1) if self.config.regression else None
        kind: type[nn.Linear | CumulativeLink] = (
            CumulativeLink if self.config.classification == "ordinal" else nn.Linear
        )
        self.classification = kind(width, len(scale)) if self.config.classification else None
        if self.regression is not None:
            nn.init.zeros_(self.regression.weight)
            nn.init.constant_(self.regression.bias, float(self.scale.mean()))

    def forward(self, hidden: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """``(B, D)`` → the rating ``(B,)`` and log-probabilities of the classes ``(B, K)``.

        Both are float32; None for a head that does not exist.
        """
        normed = self.norm(hidden.float())
        value = None if self.regression is None else self.regression(normed).squeeze(-1)
        logits = None if self.classification is None else self.classification(normed)
        return value, None if logits is None else logits.log_softmax(-1)

    @torch.no_grad()
    def init_to_marginal(self, ratings: Tensor) -> None:
        """Initialises the heads' predictions to the mean and frequencies of ``ratings (n,)``."""
        counts = torch.bincount(self._classes(ratings), minlength=len(self.scale)).clamp(min=1)
        shares = counts / counts.sum()
        if self.regression is not None:
            self.regression.bias.fill_(ratings.mean())
        if isinstance(self.classification, CumulativeLink):
            self.classification.init_to_marginal(shares)
        elif self.classification is not None:
            nn.init.zeros_(self.classification.weight)
            self.classification.bias.copy_(shares.log())

    def loss(self, hidden: Tensor, ratings: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum of the heads' losses ``(M,)``, and the losses of each head by name.

        Args:
            hidden: ``(M, D)``, M may be 0.
            ratings: ``(M,)``.
        """
        value, logs = self(hidden)
        losses, by_head = torch.zeros_like(ratings), {}
        if value is not None:
            measure = huber_loss if self.config.regression == "huber" else mse_loss
            error = measure(value, ratings, reduction="none")
            losses, by_head["regression_loss"] = losses + self.config.balance * error, error
        if logs is not None:
            error = nll_loss(logs, self._classes(ratings), reduction="none")
            losses, by_head["classification_loss"] = losses + error, error
        return losses, by_head

    def _classes(self, ratings: Tensor) -> Tensor:
        return (ratings[:, None] - self.scale).abs().argmin(1)

    def predict(self, hidden: Tensor) -> dict[str, Tensor]:
        """Rating estimates ``(B,)`` by name from states ``(B, D)``, clamped to the scale.

        ``regression``: the regression head; ``class``: the most likely class; ``expectation``: the
        expected value over the classes; ``mean``: the mean of regression and expectation.
        """
        return self.estimates(*self(hidden))

    def estimates(self, value: Tensor | None, logs: Tensor | None) -> dict[str, Tensor]:
        """The estimates of :meth:`predict` from the outputs of :meth:`forward`."""
        estimates = {}
        if value is not None:
            estimates["regression"] = value
        if logs is not None:
            estimates["class"] = self.scale[logs.argmax(-1)]
            estimates["expectation"] = logs.exp() @ self.scale
        if value is not None and logs is not None:
            estimates["mean"] = (value + estimates["expectation"]) / 2
        low, high = self.scale[0], self.scale[-1]
        return {name: estimate.clamp(low, high) for name, estimate in estimates.items()}
