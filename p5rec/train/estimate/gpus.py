"""GPUs for which a training can be planned, by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Gpu:
    """The vendor's specification: FLOPs per second (half precision, not sparse), memory in GiB."""

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
