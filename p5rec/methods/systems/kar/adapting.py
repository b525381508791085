"""Training of KAR's adaptor with its click model, and the adapted vectors that are served.

n users or items, d width of a text vector, E width of an adapted vector.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from p5rec.core.artefacts import Lineage
from p5rec.core.errors import input_error
from p5rec.core.types import Corpus
from p5rec.models.click.experts import ExpertSizes, towers
from p5rec.models.click.fields import Adapters

from ...click import predictor, training
from ...click.features import DataFields, EntityFields
from ...click.predictor import ClickPredictor, MakeAdapters, click_model
from ...click.vectors import read_vectors
from ...needs import Inputs
from .settings import KarSettings

ADAPTERS = "fields.adapters."  # of a click model's state


def fit(method: KarSettings, corpus: Corpus, seed: int, inputs: Inputs, folder: Path) -> Lineage:
    """Trains ``method``, saves the model into ``folder`` and returns the training events.

    Raises:
        UserError: the vectors are about something else, or differ in width; or see
            :func:`p5rec.methods.click.training.fit`.
    """
    _check_stores(method, inputs)
    trained = training.fit(method.reader, corpus, seed, inputs, adaptor_of(method))
    served = trained if method.stored == "texts" else adapted(trained, method)
    served.save(folder)
    assert trained.lineage is not None
    return trained.lineage


def load(method: KarSettings, folder: Path) -> ClickPredictor:
    """The predictor in ``folder``, with adapted vectors."""
    if method.stored == "adapted":
        return predictor.load(method.reader, folder)
    return adapted(predictor.load(method.reader, folder, adaptor_of(method)), method)


def adaptor_of(method: KarSettings) -> MakeAdapters:
    """Makes the adaptor of ``method``: a tower for users, one for items, or both."""

    def make(fields: DataFields) -> Adapters:
        widths = [
            [each.shape[1] for each in own.vectors.values()] for own in (fields.users, fields.items)
        ]
        sizes = ExpertSizes(method.shared, method.dedicated, method.hidden, method.dropout)
        both = towers([*widths[0], *widths[1]], sizes)
        return Adapters(both[: len(widths[0])], both[len(widths[0]) :])

    return make


@torch.inference_mode()
def adapted(trained: ClickPredictor, method: KarSettings) -> ClickPredictor:
    """The predictor with the adaptor's output in place of the text vectors, without the adaptor."""
    networks, fields = trained.model.fields.adapters, trained.encoder.fields
    assert networks is not None, "the predictor has no adaptor"
    stored = replace(
        fields,
        users=_adapted(fields.users, networks.users),
        items=_adapted(fields.items, networks.items),
    )
    model = click_model(method.reader, stored).requires_grad_(False).eval()
    state = trained.model.state_dict()
    model.load_state_dict({k: v for k, v in state.items() if not k.startswith(ADAPTERS)})
    return replace(trained, model=model, encoder=replace(trained.encoder, fields=stored))


def _adapted(own: EntityFields, networks: nn.ModuleList) -> EntityFields:
    pairs = zip(own.vectors.items(), networks, strict=True)
    return replace(
        own, vectors={name: adapted_vectors(network, each) for (name, each), network in pairs}
    )


def adapted_vectors(network: nn.Module, vectors: np.ndarray) -> np.ndarray:
    """``(n, E)`` float32 output of a tower for text vectors ``(n, d)``.

    The network reads one row at a time: in a batch, the last bits of a row depend on its position.
    """
    rows = torch.from_numpy(vectors)
    outputs: np.ndarray = torch.cat([network(row[None]) for row in rows]).numpy()
    return outputs


def _check_stores(method: KarSettings, inputs: Inputs) -> None:
    stores = read_vectors(method.names, inputs)
    widths: list[int] = []
    for of in ("users", "items"):
        if (name := getattr(method, of)) is None:
            continue
        store = stores[name]
        if store.about.of != of:
            todo = f"name them as {store.about.of}, or name others"
            raise input_error(f"kar.{of}", f"vectors of {of}", f"{name}: {store.about.of}", todo)
        if widths and store.width != widths[0]:
            raise input_error(
                "kar.items", f"vectors of width {widths[0]}, as those of users have it",
                f"{name}: {store.width}", "take one encoder for both",
            )  # fmt: skip
        widths.append(store.width)
