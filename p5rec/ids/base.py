"""Fits item codes: fuses views, fits the id scheme, resolves collisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.item_codes import ItemCodes
from p5rec.core.rng import by_key
from p5rec.core.types import Corpus

from .collisions import Collisions
from .config import BY_EVENTS, POLICIES, SCHEMES, IdsConfig
from .cooccurrence import cooccurrence_vectors
from .plain import permuted
from .quantiser import ItemData, Quantiser
from .threshold import check
from .vectors import CONTENT, Fusion


class Fitted(NamedTuple):
    """The result of a fit.

    Attributes:
        codes: codes of all items.
        quantiser: codes new items (``p5rec.ids.encoder``); None for permuted codes, which no
            quantiser can reproduce.
        fusion: makes the item vectors; None without vectors.
        lineage: the training events used.
        collisions: statistics of collision resolution.
    """

    codes: ItemCodes
    quantiser: Quantiser | None
    fusion: Fusion | None
    lineage: Lineage
    collisions: Collisions


def fit(config: IdsConfig, corpus: Corpus, views: Mapping[str, np.ndarray] | None = None) -> Fitted:
    """Fits codes for all items from the training events and the item table.

    Args:
        config: the recipe's ``ids`` section; its seed seeds every random choice.
        corpus: all events; the fit uses the training split alone.
        views: the views named in the config, except ``cooccurrence``: name to ``(N, d)``; a NaN row
            marks an item without this view.

    Raises:
        UserError: the items do not fit the codebooks, no two items co-occur in training, or the
            codes miss a quality threshold (see ``p5rec.ids.threshold``).
    """
    events, split = corpus.interactions, corpus.split
    matrices = dict(views or {})
    if config.vectors.cooccurrence is not None:
        matrices["cooccurrence"] = cooccurrence_vectors(
            events, split, config.vectors.cooccurrence, config.seed
        )
    weights = config.vectors.weights
    shapes = {name: view.shape for name, view in matrices.items()}
    if shapes.keys() != weights.keys() or any(n != events.n_items for n, _ in shapes.values()):
        raise ValueError(f"vectors {list(weights)} of {events.n_items} items, got {shapes}")
    ordered = {name: matrices[name] for name in weights}
    fusion = Fusion.fit(ordered, weights, whiten=config.vectors.whiten) if ordered else None
    vectors = fusion(ordered) if fusion else np.zeros((events.n_items, 0), dtype=np.float32)
    coded = SCHEMES.get(config.scheme)(config, ItemData(vectors, corpus.catalog, events, split))
    order = by_key(events.item_keys, config.seed, "ids", "collisions")
    resolved = POLICIES.get(config.policy)(coded, order)
    check(config, resolved.codes[:, : len(coded.sizes)], coded.sizes)
    tied = config.policy == "shared" and len(resolved.sizes) > len(coded.sizes)
    codes = ItemCodes(resolved.codes, resolved.sizes, config.scheme, tied)
    learned = config.scheme in BY_EVENTS or weights.keys() - set(CONTENT)
    return Fitted(
        permuted(codes, config.seed) if config.permute else codes,
        None if config.permute else coded.quantiser,
        fusion,
        Lineage(events.event_keys[split.mask("train")]) if learned else Lineage.none(),
        resolved.collisions,
    )
