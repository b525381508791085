"""Side vectors as inputs of a fit."""

from __future__ import annotations

from p5rec.data.vector_store import VectorStore

from ..needs import Inputs, Need, Vectors

INPUT = "vectors."  # before the name of side vectors among the inputs of a fit


def vector_needs(names: tuple[str, ...]) -> dict[str, Need]:
    """The side vectors ``names`` as inputs of a fit."""
    return {INPUT + name: Vectors(name) for name in names}


def read_vectors(names: tuple[str, ...], inputs: Inputs) -> dict[str, VectorStore]:
    """The stores of the side vectors ``names``."""
    return {name: VectorStore.read(inputs[INPUT + name]) for name in names}
