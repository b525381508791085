"""Heads that read a hidden state: an item's further codes, the whole item, a rating."""

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

from .catalogue import catalogue_loss, draw, quick
from .config import HeadsConfig, ItemHeadConfig


class CodeHead(nn.Module):
    """The state before an item, and the codes named so far → the state before its next code.

    With it an item takes one position of the language model instead of L: the model is run once
    an item, this small network once a code. The idea of a small second network for the codes
    within a position is that of the RQ-Transformer (Lee et al. 2022, arXiv:2203.01941, section
    3.2.2). DEVIATION: a perceptron over the sum of the codes' rows in place of a transformer.

    Args:
        width: D.
        dropout: share of hidden numbers left out in training.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.up = nn.Linear(2 * width, 2 * width)
        self.down = nn.Linear(2 * width, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = dropout

    def forward(self, hidden: Tensor, codes: Tensor) -> Tensor:
        """``(..., D)`` states before items, ``(..., D)`` sums of code rows → ``(..., D)``."""
        hidden = hidden.float()
        inner = gelu(self.up(torch.cat([hidden, codes.float()], dim=-1)))
        return self.norm(hidden + self.down(dropout(inner, self.dropout, self.training)))


class ItemHead(nn.Module):
    """States against vectors of whole items, by their cosine: a softmax over the catalogue.

    It learns what the codes of an item cannot say, and says it of all items at once; the codes
    learn what an item has in common with others. The two are given the same vectors to learn.

    Args:
        width: D.
        config: its loss.
    """

    def __init__(self, width: int, config: ItemHeadConfig) -> None:
        super().__init__()
        self.config, self.norm = config, nn.LayerNorm(width)

    def forward(self, hidden: Tensor) -> Tensor:
        """``(..., D)`` states before items → ``(..., D)``, whose products with
        :meth:`vectors` are logits."""
        return normalize(self.norm(hidden.float()), dim=-1) / self.config.temperature

    def vectors(self, rows: Tensor) -> Tensor:
        """``(N, D)`` item rows → ``(N, D)`` of length 1."""
        return normalize(rows.float(), dim=-1)

    def loss(self, hidden: Tensor, rows: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """The sum of ``weights (M,)`` times each loss, in nats.

        Args:
            hidden: ``(M, D)`` states before items.
            rows: ``(N, D)`` of all items.
            targets: ``(M,)`` the items.
        """
        device = hidden.device
        drawn = draw(len(rows), self.config.negatives, device)
        states, table = self(hidden), self.vectors(rows)
        with torch.autocast(device.type, enabled=False):
            return catalogue_loss(
                states, table, targets, drawn, quick(device), self.config.weight * weights
            )


class CumulativeLink(nn.Module):
    """One score against ascending thresholds: P(class <= k) = sigmoid(threshold_k - score).

    The proportional odds model (McCullagh 1980, *Regression models for ordinal data*, section 2).
    Each threshold but the first is its predecessor and a softplus, so they ascend whatever is
    learned.

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

    def forward(self, read: Tensor) -> Tensor:
        """``(B, D)`` → ``(B, K)`` log-probabilities of the classes."""
        end, score = self.steps.new_tensor([torch.inf]), self.score(read)
        edges = torch.cat([-end, self.thresholds, end])
        low, high = edges[:-1], edges[1:]
        # log(sigmoid(a) - sigmoid(b)), in the terms that neither overflow nor cancel
        between = torch.log(-torch.expm1(low - high))
        return logsigmoid(high - score) + logsigmoid(score - low) + between

    def start_at(self, shares: Tensor) -> None:
        """Says of everything what is true on the whole: ``(K,)`` shares, none of them 0."""
        thresholds = shares.cumsum(0)[:-1].logit()
        gaps = thresholds.diff()
        self.steps.copy_(torch.cat([thresholds[:1], gaps + torch.log(-torch.expm1(-gaps))]))
        nn.init.zeros_(self.score.weight)


class RatingHeads(nn.Module):
    """A regression head, a classification head, or both over one hidden state.

    Args:
        width: D, the hidden size.
        scale: the ratings that occur, ascending, K of them.
        config: which heads, and their losses.
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

        Both are float32; None where there is no such head.
        """
        read = self.norm(hidden.float())
        value = None if self.regression is None else self.regression(read).squeeze(-1)
        logits = None if self.classification is None else self.classification(read)
        return value, None if logits is None else logits.log_softmax(-1)

    @torch.no_grad()
    def start_at(self, ratings: Tensor) -> None:
        """Lets untrained heads say of everything what is true of ``ratings (n,)`` as a whole."""
        counts = torch.bincount(self._classes(ratings), minlength=len(self.scale)).clamp(min=1)
        shares = counts / counts.sum()
        if self.regression is not None:
            self.regression.bias.fill_(ratings.mean())
        if isinstance(self.classification, CumulativeLink):
            self.classification.start_at(shares)
        elif self.classification is not None:
            nn.init.zeros_(self.classification.weight)
            self.classification.bias.copy_(shares.log())

    def loss(self, hidden: Tensor, ratings: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """``(M,)``: the weighted sum of the heads' losses; and those of each head by name.

        Args:
            hidden: ``(M, D)``, M may be 0.
            ratings: ``(M,)``.
        """
        value, logs = self(hidden)
        losses, parts = torch.zeros_like(ratings), {}
        if value is not None:
            measure = huber_loss if self.config.regression == "huber" else mse_loss
            error = measure(value, ratings, reduction="none")
            losses, parts["regression_loss"] = losses + self.config.balance * error, error
        if logs is not None:
            error = nll_loss(logs, self._classes(ratings), reduction="none")
            losses, parts["classification_loss"] = losses + error, error
        return losses, parts

    def _classes(self, ratings: Tensor) -> Tensor:
        return (ratings[:, None] - self.scale).abs().argmin(1)

    def read(self, hidden: Tensor) -> dict[str, Tensor]:
        """What the heads there are say of ``(B, D)``, each ``(B,)`` and on the scale.

        ``regression``, the number; ``class``, the likeliest class; ``expectation``, the mean of
        the classes; ``mean``, that of the regression and the expectation.
        """
        return self.readings(*self(hidden))

    def readings(self, value: Tensor | None, logs: Tensor | None) -> dict[str, Tensor]:
        """The same of what :meth:`forward` gave."""
        found = {}
        if value is not None:
            found["regression"] = value
        if logs is not None:
            found["class"] = self.scale[logs.argmax(-1)]
            found["expectation"] = logs.exp() @ self.scale
        if value is not None and logs is not None:
            found["mean"] = (value + found["expectation"]) / 2
        return {name: said.clamp(self.scale[0], self.scale[-1]) for name, said in found.items()}
