"""AdamW with moments in 8 bits; bitsandbytes takes long to import, and few trainings need it."""

from __future__ import annotations

from typing import Any

from bitsandbytes.optim import AdamW8bit


class RowsInFull(AdamW8bit):
    """AdamW with 8-bit moments (Dettmers et al. 2022, arXiv 2110.02861), save where a group of
    parameters says ``optim_bits``; tensors of less than 4,096 numbers have 32-bit ones."""

    def get_config(self, gindex: int, pindex: int, group: dict[str, Any]) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config(gindex, pindex, group)
        return {**config, "optim_bits": group["optim_bits"]}
