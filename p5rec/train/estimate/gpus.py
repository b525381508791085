"""GPUs that a training can be planned for, by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Gpu:
    """As its maker says: dense FLOPs a second on half-precision tensors, and GiB."""

    rate: float
    memory: int


GPUS = {
    "T4": Gpu(65e12, 16),
    "V100": Gpu(125e12, 32),
    "L4": Gpu(121e12, 24),
    "L40S": Gpu(362e12, 48),
    "4090": Gpu(165e12, 24),
    "A100": Gpu(312e12, 80),
    "H100": Gpu(989e12, 80),
    "H200": Gpu(989e12, 141),
}
