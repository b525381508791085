"""Side vectors as inputs of a fit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from p5rec.core.errors import input_error
from p5rec.data.vector_store import VectorStore

from ..needs import Inputs, Need, Vectors

INPUT = "vectors."  # before the name of side vectors among the inputs of a fit


def vector_needs(names: tuple[str, ...]) -> dict[str, Need]:
    """The side vectors ``names`` as inputs of a fit."""
    return {INPUT + name: Vectors(name) for name in names}


def read_vectors(names: tuple[str, ...], inputs: Inputs) -> dict[str, VectorStore]:
    """The stores of the side vectors ``names``."""
    return {name: VectorStore.read(inputs[INPUT + name]) for name in names}


def check_targets(stores: Mapping[str, VectorStore], targets: np.ndarray) -> None:
    """Checks that no text about a user was written from a training target.

    Args:
        stores: by the name of the vectors.
        targets: ``(B,)`` event keys of the training instances.

    Raises:
        UserError: a text shows targets, so that its vector tells their labels.
    """
    for name, store in stores.items():
        written = store.about.source.startswith("texts") or store.about.source == "reviews"
        if store.about.of == "users" and written:
            shown = len(np.unique(targets[np.isin(targets, store.lineage.events)]))
            if shown:
                raise input_error(
                    f"vectors.{name}", "texts about users that show no training target",
                    f"texts that show {shown:,}", "set data.profile: its events are no targets",
                )  # fmt: skip
