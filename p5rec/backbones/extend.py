"""An extended vocabulary: trainable embeddings of new tokens beside a frozen embedding matrix.

The pretrained matrix is never copied, resized or trained. A second, small float32 matrix holds the
embeddings of the new tokens and is the only trainable one.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .transformer import of_transformers

# initial standard deviation as a fraction of the pretrained embeddings'; at 1 the first softmax
# over codes is far from uniform (loss 17, not 4)
RELATIVE_STD = 0.1


class ExtendedMatrix(nn.Module):
    """A frozen matrix of ``V`` token embeddings and a trainable one of ``n`` new tokens."""

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
        """``(V + n, D)``, a copy without gradient to the parameters; for inspection and export."""
        return torch.cat([self.old.weight, self.new.to(self.old.weight.dtype)])


class ExtendedEmbedding(ExtendedMatrix):
    """Token embedding over ``V + n`` tokens."""

    def forward(self, ids: Tensor) -> Tensor:
        """``(B, T)`` ids → ``(B, T, D)``."""
        if not len(self.new):
            return self.old(ids)  # type: ignore[no-any-return]
        start = self.old.num_embeddings
        is_new = ids >= start
        old = self.old(ids.masked_fill(is_new, 0))
        new = nn.functional.embedding((ids - start).clamp(min=0), self.new)
        return torch.where(is_new[..., None], new.to(old.dtype), old)


class ExtendedHead(ExtendedMatrix):
    """Output head over ``V + n`` tokens."""

    def forward(self, hidden: Tensor) -> Tensor:
        """``(..., D)`` hidden states → ``(..., V + n)`` logits."""
        new = nn.functional.linear(hidden, self.new.to(hidden.dtype))
        return torch.cat([self.old(hidden), new], dim=-1)


def extend_vocabulary(model: Any, n_new: int, seed: int) -> Any:
    """Extends the vocabulary of ``model`` by ``n_new`` tokens, whose ids follow the existing ones.

    The new embeddings are initialised near the mean of the existing ones, so they start as nearly
    identical ordinary words. If input and output embeddings are tied, so are the new ones.
    """
    embedding: nn.Embedding = model.get_input_embeddings()
    head = model.get_output_embeddings()
    old = embedding.weight.detach().float()
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n_new, old.shape[1], generator=generator, device="cpu")
    new = nn.Parameter(old.mean(0) + RELATIVE_STD * noise.to(old.device) * old.std(0))
    tied = head.weight is embedding.weight
    head_new = new if tied else nn.Parameter(new.detach().clone())
    model.set_input_embeddings(ExtendedEmbedding(embedding, new))
    model.set_output_embeddings(ExtendedHead(head, head_new))
    if of_transformers(model):
        model.config.vocab_size = old.shape[0] + n_new
    return model
