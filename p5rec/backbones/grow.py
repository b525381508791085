"""New tokens for a model whose old rows stay as they are.

The old matrix is never copied, resized or trained: a second, small matrix holds the new rows, in
float32 whatever the model's own type, and is the only part of the embedding that learns.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

# of the old rows' spread: at 1 the first softmax over codes is far from even (loss 17, not 4)
SPREAD = 0.1


class Grown(nn.Module):
    """A frozen matrix of ``V`` token rows and a trainable one of ``n`` more, side by side."""

    def __init__(self, old: nn.Embedding | nn.Linear, new: nn.Parameter) -> None:
        super().__init__()
        self.old: Any = old
        self.new = new

    @property
    def tokens(self) -> int:
        """``V + n``."""
        return len(self.old.weight) + len(self.new)

    @property
    def weight(self) -> Tensor:
        """``(V + n, D)``, a copy; for readers, not for training."""
        return torch.cat([self.old.weight, self.new.to(self.old.weight.dtype)])


class ExtendedEmbedding(Grown):
    """Token embedding over ``V + n`` tokens."""

    def forward(self, ids: Tensor) -> Tensor:
        """``(B, T)`` ids → ``(B, T, D)``."""
        start = self.old.num_embeddings
        is_new = ids >= start
        old = self.old(ids.masked_fill(is_new, 0))
        new = nn.functional.embedding((ids - start).clamp(min=0), self.new)
        return torch.where(is_new[..., None], new.to(old.dtype), old)


class ExtendedHead(Grown):
    """Output head over ``V + n`` tokens."""

    def forward(self, hidden: Tensor) -> Tensor:
        """``(..., D)`` hidden states → ``(..., V + n)`` logits."""
        new = nn.functional.linear(hidden, self.new.to(hidden.dtype))
        return torch.cat([self.old(hidden), new], dim=-1)


def grow(model: Any, n_new: int, seed: int) -> Any:
    """The network ``model`` with ``n_new`` more tokens; their ids begin at the old vocabulary's
    size.

    New rows start near the mean of the old ones, so that they begin as ordinary words and nearly
    alike. Where input and output share one matrix, they share the new rows too.
    """
    embedding: nn.Embedding = model.get_input_embeddings()
    head = model.get_output_embeddings()
    old = embedding.weight.detach().float()
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n_new, old.shape[1], generator=generator, device="cpu")
    rows = nn.Parameter(old.mean(0) + SPREAD * noise.to(old.device) * old.std(0))
    tied = head.weight is embedding.weight
    head_rows = rows if tied else nn.Parameter(rows.detach().clone())
    model.set_input_embeddings(ExtendedEmbedding(embedding, rows))
    model.set_output_embeddings(ExtendedHead(head, head_rows))
    if isinstance(model, PreTrainedModel):
        model.config.vocab_size = old.shape[0] + n_new
    return model
