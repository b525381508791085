"""UniSRec: sequences of item texts (Hou et al., KDD 2022, arXiv:2206.05941).

An item's vector is a mixture of whitened copies of its text's vector. A transformer reads the
vectors of a history.

N items, n of them, d width of the text vectors, D width, G experts, B histories, T events.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .sasrec import INIT_STD, Sasrec, SasrecShape

LEAST_NOISE = 0.01  # standard deviation of the noise on a gate's logit


@dataclass(frozen=True)
class AdaptorShape:
    """The size of the adaptor.

    Attributes:
        text_width: d.
        width: D.
        experts: G.
        dropout: rate, on the text vectors.
    """

    text_width: int
    width: int
    experts: int
    dropout: float


class Adaptor(nn.Module):
    """Maps text vectors to item vectors: a mixture of G parametric whitenings.

    Expert k computes ``(x - b_k) W_k``. The gates are ``softmax(x W + noise)``. In training the
    noise is normal, with standard deviation ``softplus(x W')``; otherwise there is none. An item
    without a text has a learned vector.
    """

    def __init__(self, shape: AdaptorShape) -> None:
        super().__init__()
        self.shape = shape
        self.whiten = nn.Linear(shape.text_width, shape.experts * shape.width, bias=False)
        self.offsets = nn.Parameter(torch.zeros(shape.experts, shape.text_width))
        self.gates = nn.Linear(shape.text_width, shape.experts, bias=False)
        self.noise = nn.Linear(shape.text_width, shape.experts, bias=False)
        self.without_text = nn.Parameter(torch.empty(shape.width).normal_(std=INIT_STD))
        self.dropout = nn.Dropout(shape.dropout)
        nn.init.zeros_(self.gates.weight)
        nn.init.zeros_(self.noise.weight)

    def forward(self, texts: Tensor) -> Tensor:
        """``(n, D)`` item vectors of text vectors ``(n, d)``; NaN where there is no text."""
        has_text = ~texts.isnan().any(1, keepdim=True)
        texts = texts.nan_to_num(0.0)
        weights = self.whiten.weight.view(self.shape.experts, self.shape.width, -1)
        offsets = (weights @ self.offsets[..., None])[..., 0]  # (G, D)
        whitened = self.whiten(self.dropout(texts)).view(len(texts), *offsets.shape) - offsets
        mixed = (self._gates(texts)[:, None] @ whitened)[:, 0]
        return torch.where(has_text, mixed, self.without_text)

    def _gates(self, texts: Tensor) -> Tensor:
        logits = self.gates(texts)
        if self.training:
            spread = F.softplus(self.noise(texts)) + LEAST_NOISE
            logits = logits + spread * torch.randn_like(logits)
        weights: Tensor = logits.softmax(-1)
        return weights


class Unisrec(nn.Module):
    """The adaptor, and the encoder of sequences.

    Args:
        adaptor: its size.
        sequence: the encoder's size. With items, each has an embedding of its own, which is added
            to its vector (the transductive setting); without, vectors come from texts alone (the
            inductive setting).
    """

    def __init__(self, adaptor: AdaptorShape, sequence: SasrecShape) -> None:
        super().__init__()
        self.adaptor = Adaptor(adaptor)
        self.sequence = Sasrec(sequence)

    def item_vectors(self, texts: Tensor, items: Tensor) -> Tensor:
        """``(n, D)`` vectors of ``items (n,)`` with the text vectors ``texts (n, d)``."""
        vectors: Tensor = self.adaptor(texts)
        return vectors + self.sequence.items(items) if self.transductive else vectors

    @property
    def transductive(self) -> bool:
        """Whether items have embeddings of their own."""
        return self.sequence.items.num_embeddings > 0
