"""The optimiser: AdamW over three groups of weights, its moments in 32 or in 8 bits."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from p5rec.core.errors import fault

from .config import TrainConfig

BETAS = (0.9, 0.98)


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW over the weights of ``model`` that train.

    Matrices decay, vectors do not, and the new rows of tokens and items have a rate of their own
    and always 32-bit moments: a row that is rarely met must remember that it was.

    Raises:
        UserError: the optimiser needs a GPU and there is none.
    """
    groups: dict[str, list[nn.Parameter]] = {"matrices": [], "vectors": [], "rows": []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            plain = "matrices" if parameter.ndim > 1 else "vectors"
            groups["rows" if name.endswith((".new", "item_rows")) else plain].append(parameter)
    rate, decay = config.learning_rate, config.weight_decay
    settings: list[dict[str, Any]] = [
        {"params": groups["matrices"], "weight_decay": decay},
        {"params": groups["vectors"], "weight_decay": 0.0},
        {"params": groups["rows"], "weight_decay": decay, "lr": config.row_learning_rate or rate},
    ]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(settings, lr=rate, betas=BETAS)
    paged = config.optimizer.startswith("paged")
    if paged and not torch.cuda.is_available():
        raise fault("train.optimizer", "a GPU for paged moments", "none", "take adamw-8bit")
    from .eight_bits import RowsInFull

    for group, bits in zip(settings, (8, 8, 32), strict=True):
        group["optim_bits"] = bits
    return RowsInFull(settings, lr=rate, betas=BETAS, is_paged=paged)
