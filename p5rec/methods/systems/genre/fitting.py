"""Training of GENRE's recommender. N items, U users."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.errors import input_error
from p5rec.core.types import Corpus
from p5rec.data.vector_store import VectorStore

from ...click import predictor, training
from ...click.encoding import Encoder
from ...click.features import DataFields, UserIndex
from ...click.instances import training_instances
from ...click.predictor import ClickPredictor
from ...click.vectors import check_targets, read_vectors
from ...needs import Inputs
from .histories import SyntheticEncoder, with_synthetic, without_user_ids
from .settings import GenreSettings


def fit(method: GenreSettings, corpus: Corpus, seed: int, inputs: Inputs, folder: Path) -> Lineage:
    """Trains ``method``, saves the model into ``folder`` and returns the training events.

    Raises:
        UserError: the vectors are about something else, or differ in width; or see
            :func:`p5rec.methods.click.training.fit`.
    """
    stores = read_vectors((*method.named, *method.synthetic), inputs)
    _check(method, stores)
    log = corpus.interactions
    targets = training_instances(corpus, seed, method.history).events
    check_targets(stores, log.event_keys[targets])
    known = np.bincount(log.items[corpus.split.mask("train")], minlength=log.n_items) > 0

    def encoder(fields: DataFields) -> Encoder:
        items = with_synthetic(
            fields.items,
            method.items,
            stores[method.items].rows(log.item_keys),
            [stores[name].rows(log.user_keys) for name in method.synthetic],
            known,
        )
        joined = replace(without_user_ids(fields), items=items)
        return _encoder(method, joined, UserIndex(log.user_keys), log.n_items)

    trained = training.fit(method.reader, corpus, seed, inputs, encoder_of=encoder)
    trained.save(folder)
    assert trained.lineage is not None
    return trained.lineage


def load(method: GenreSettings, folder: Path) -> ClickPredictor:
    """The predictor in ``folder``."""
    plain = predictor.load(method.reader, folder)
    own = plain.encoder
    return replace(plain, encoder=_encoder(method, own.fields, own.users, len(plain.tie)))


def _encoder(
    method: GenreSettings, fields: DataFields, users: UserIndex, n_items: int
) -> SyntheticEncoder:
    return SyntheticEncoder.of(fields, users, method.history, n_items, method.items)


def _check(method: GenreSettings, stores: Mapping[str, VectorStore]) -> None:
    wanted = {method.items: "items"} | dict.fromkeys((*method.synthetic, method.profile), "users")
    width = stores[method.items].width
    for name, store in stores.items():
        if store.about.of != wanted[name]:
            raise input_error(
                "genre", f"vectors of {wanted[name]}", f"{name}: {store.about.of}", "name others"
            )
        if name in method.synthetic and store.width != width:
            raise input_error(
                "genre.synthetic", f"vectors of width {width}, as those of items have it",
                f"{name}: {store.width}", "take one encoder for both",
            )  # fmt: skip
