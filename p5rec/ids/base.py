"""Codes for items: views fused, a scheme fitted through the registry, collisions resolved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import by_key
from p5rec.core.types import Corpus, ItemCodes

from .collisions import Collisions
from .config import BY_EVENTS, POLICIES, SCHEMES, IdsConfig
from .cooccurrence import cooccurrence_vectors
from .gate import check
from .plain import permuted
from .quantiser import ItemData, Quantiser
from .vectors import CONTENT, Fusion


class Fitted(NamedTuple):
    """Codes, and what made them.

    Attributes:
        codes: of every item.
        quantiser: codes further items (``p5rec.ids.encoder``); None for permuted codes, in which no
            item has the place that a quantiser would give it.
        fusion: makes their vectors; None where there are none.
        lineage: the events that were seen.
        collisions: what resolving them did.
    """

    codes: ItemCodes
    quantiser: Quantiser | None
    fusion: Fusion | None
    lineage: Lineage
    collisions: Collisions


def fit(config: IdsConfig, corpus: Corpus, given: Mapping[str, np.ndarray] | None = None) -> Fitted:
    """Codes for every item of the table, from the training events and the items' records alone.

    Args:
        config: the recipe's ``ids`` section; every draw depends on its seed alone.
        corpus: all events; only the split's training part is looked at.
        given: the parts of the vectors that the config names, but for ``cooccurrence``: name to
            ``(N, d)``; a row of NaN is an item that the part does not know.

    Raises:
        UserError: the items do not fit the codebooks, training pairs no two items, or the codes
            are hopeless (see ``p5rec.ids.gate``).
    """
    events, split = corpus.interactions, corpus.split
    views = dict(given or {})
    if config.vectors.cooccurrence is not None:
        views["cooccurrence"] = cooccurrence_vectors(
            events, split, config.vectors.cooccurrence, config.seed
        )
    weights = config.vectors.weights
    shapes = {name: view.shape for name, view in views.items()}
    if shapes.keys() != weights.keys() or any(n != events.n_items for n, _ in shapes.values()):
        raise ValueError(f"vectors {list(weights)} of {events.n_items} items, got {shapes}")
    ordered = {name: views[name] for name in weights}
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
