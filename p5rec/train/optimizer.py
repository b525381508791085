"""The optimiser: AdamW with three parameter groups and moments in 32 or 8 bits."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from p5rec.core.errors import input_error

from .config import TrainConfig

BETAS = (0.9, 0.98)


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW over the trainable weights of ``model``.

    Weight decay applies to matrices, not to vectors. Embeddings of new tokens and items have their
    own learning rate and always 32-bit moments: the small moments of rare ones would round to 0.

    Raises:
        UserError: the optimiser needs a GPU and there is none.
    """
    groups: dict[str, list[nn.Parameter]] = {"matrices": [], "vectors": [], "embeddings": []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            plain = "matrices" if parameter.ndim > 1 else "vectors"
            groups["embeddings" if name.endswith((".new", "item_embeddings")) else plain].append(
                parameter
            )
    rate, decay = config.learning_rate, config.weight_decay
    settings: list[dict[str, Any]] = [
        {"params": groups["matrices"], "weight_decay": decay},
        {"params": groups["vectors"], "weight_decay": 0.0},
        {
            "params": groups["embeddings"],
            "weight_decay": decay,
            "lr": config.embedding_learning_rate or rate,
        },
    ]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(settings, lr=rate, betas=BETAS)
    paged = config.optimizer.startswith("paged")
    if paged and not torch.cuda.is_available():
        raise input_error("train.optimizer", "a GPU for paged moments", "none", "take adamw-8bit")
    from .eight_bits import MixedBitsAdamW

    for group, bits in zip(settings, (8, 8, 32), strict=True):
        group["optim_bits"] = bits
    return MixedBitsAdamW(settings, lr=rate, betas=BETAS, is_paged=paged)
