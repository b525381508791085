"""Number formats of the arithmetic, as far as the processor computes in them."""

from __future__ import annotations

import torch


def fast_dtype(device: torch.device) -> torch.dtype:
    """The faster number format: bfloat16 if the processor has instructions for it, else float32.

    Without them products in bfloat16 are emulated, tens of times slower than in float32.
    """
    if device.type != "cpu":
        return torch.bfloat16
    cpu = torch.cpu.get_capabilities()
    return torch.bfloat16 if cpu.get("avx512_bf16") or cpu.get("amx_bf16") else torch.float32


def dtype_of(precision: str) -> torch.dtype:
    """The number format of a setting: ``bfloat16`` is float32 on a CPU without instructions for it.

    Args:
        precision: ``float32`` or ``bfloat16``.
    """
    if precision == "float32":
        return torch.float32
    return fast_dtype(torch.device("cuda" if torch.cuda.is_available() else "cpu"))


def computing(dtype: torch.dtype) -> torch.autocast:
    """A context in which a CPU computes matrix products in ``dtype``."""
    return torch.autocast("cpu", dtype, enabled=dtype != torch.float32)
