"""A fusion, loaded: its parts' logarithms, weighed and added. B requests, N items."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage, read_json
from p5rec.core.errors import UserError
from p5rec.core.rng import id_keys, tie_order
from p5rec.core.types import Histories
from p5rec.data.known import rows_among
from p5rec.ids.files import load_item_ids

from ..baselines.dense import DenseScorer
from ..folder import ITEMS, read_method
from ..predictors import ScoresItems
from .choice import Choice
from .grid import PARTS
from .pooling import fused


@dataclass(frozen=True, eq=False)
class FusionPredictor(DenseScorer):
    """Ranks by the weighted sum of what its parts say of every item.

    Attributes:
        parts: weights and predictors.
        tie: ``(N,)`` tie order.
        lineage: None: a folder's manifest says it.
    """

    parts: tuple[tuple[float, ScoresItems], ...]
    tie: np.ndarray
    lineage: Lineage | None = None

    def scores(self, histories: Histories) -> np.ndarray:
        """See :class:`p5rec.methods.baselines.dense.DenseScorer`."""
        said = [(weight, part.item_logs(histories)) for weight, part in self.parts]
        return fused(said, (len(histories), len(self.tie)))


def opened(folder: Path, ids: Path | None, *, download: bool) -> FusionPredictor:
    """The predictor in ``folder``; a part of weight 0 is not read.

    Args:
        ids: codes that extend the model's own to new items; None: the model's.
        download: whether a part's backbone may be fetched.

    Raises:
        UserError: a part is not whole; or there are ``ids``, and no part has codes.
    """
    if ids is not None and not (folder / "codes").is_dir():
        raise UserError(
            f"ids: expected a model with codes, got {folder}, of whose parts none with codes has "
            "a weight; leave it out"
        )
    choice, known = Choice.read(folder), read_json(folder / ITEMS)["ids"]
    item_ids = known if ids is None else load_item_ids(ids)
    parts = []
    for name, weight in choice.weights.items():
        if not weight:
            continue
        method = read_method(folder / PARTS / name)
        coded = method.semantic_ids is not None
        part = method.opened(folder / PARTS / name, ids if coded else None, download=download)
        if ids is not None and not coded:
            part = part.over(rows_among(item_ids, known))
        parts.append((weight, part))
    return FusionPredictor(tuple(parts), tie_order(id_keys(item_ids), choice.tie_seed))
