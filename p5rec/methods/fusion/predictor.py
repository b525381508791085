"""The predictor of a fusion: the weighted sum of its components' scores. B requests, N items."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage, read_json
from p5rec.core.errors import UserError
from p5rec.core.rng import id_keys, tie_order
from p5rec.core.types import Histories
from p5rec.data.known import item_indices
from p5rec.ids.files import load_item_ids

from ..baselines.scorer import ItemScorer
from ..folder import ITEMS, read_method
from ..predictors import ScoresItems
from .choice import Choice
from .grid import COMPONENTS
from .pooling import fused


@dataclass(frozen=True, eq=False)
class FusionPredictor(ItemScorer):
    """Ranks by the weighted sum of its components' scores.

    Attributes:
        components: weights and predictors.
        tie: ``(N,)`` tie order.
        lineage: None: the folder's manifest has it.
    """

    components: tuple[tuple[float, ScoresItems], ...]
    tie: np.ndarray
    lineage: Lineage | None = None

    def scores(self, histories: Histories) -> np.ndarray:
        """See :class:`p5rec.methods.baselines.scorer.ItemScorer`."""
        logs = [(weight, component.item_logs(histories)) for weight, component in self.components]
        return fused(logs, (len(histories), len(self.tie)))


def open_predictor(folder: Path, ids: Path | None, *, download: bool) -> FusionPredictor:
    """The predictor in ``folder``; components of weight 0 are not loaded.

    Args:
        folder: of the fusion.
        ids: codes that extend the model's codes to new items; None: the model's.
        download: whether a component's backbone may be downloaded.

    Raises:
        UserError: a component is incomplete; or ``ids`` are given and no component has codes.
    """
    if ids is not None and not (folder / "codes").is_dir():
        raise UserError(
            f"ids: expected a model with codes, got {folder}, no weighted component of which "
            "has codes; leave it out"
        )
    choice, known = Choice.read(folder), read_json(folder / ITEMS)["ids"]
    item_ids = known if ids is None else load_item_ids(ids)
    components = []
    for name, weight in choice.weights.items():
        if not weight:
            continue
        method = read_method(folder / COMPONENTS / name)
        coded = method.semantic_ids is not None
        component = method.open_predictor(
            folder / COMPONENTS / name, ids if coded else None, download=download
        )
        if ids is not None and not coded:
            component = component.over(item_indices(item_ids, known))
        components.append((weight, component))
    return FusionPredictor(tuple(components), tie_order(id_keys(item_ids), choice.tie_seed))
