"""AdamW with 8-bit moments, in a module of its own because bitsandbytes is slow to import."""

from __future__ import annotations

from typing import Any

from bitsandbytes.optim import AdamW8bit


class MixedBitsAdamW(AdamW8bit):
    """AdamW with 8-bit moments (Dettmers et al. 2022, arXiv 2110.02861), or as ``optim_bits`` of a
    parameter group says; tensors of less than 4,096 entries have 32-bit moments."""

    def get_config(self, gindex: int, pindex: int, group: dict[str, Any]) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config(gindex, pindex, group)
        return {**config, "optim_bits": group["optim_bits"]}
