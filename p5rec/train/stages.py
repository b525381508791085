"""The stages up to a trained model, each kept in the store and made again only when it must be."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from p5rec.backbones.encoder import encode
from p5rec.core.artefacts import Artefact, Lineage, Store
from p5rec.core.types import Corpus
from p5rec.data.config import DataConfig
from p5rec.data.prepare import input_digests, prepare
from p5rec.ids.base import fit, load_codes, save_codes
from p5rec.ids.config import IdsConfig
from p5rec.ids.vectors import item_texts

from .method import GenerativeConfig, train


def prepare_data(config: DataConfig, store: Store) -> Artefact:
    """The corpus, read, checked, ordered and split."""
    return store.stage(
        "data",
        lambda folder: prepare(config, folder),
        config=config.dump(),
        code=("core", "data"),
        inputs=input_digests(config),
    )


def build_ids(config: IdsConfig, corpus: Corpus, data: Artefact, store: Store) -> Artefact:
    """Codes for every item, from training events and item texts."""
    inputs, encoder = {"data": data}, config.vectors.text

    def encode_items(folder: Path) -> Lineage:
        np.save(folder / "vectors.npy", encode(item_texts(corpus.catalog), encoder))
        return Lineage.none()

    def fit_codes(folder: Path) -> Lineage:
        text = np.load(inputs["text"].path / "vectors.npy") if encoder else None
        fitted = fit(config, corpus.interactions, corpus.split, text)
        save_codes(fitted.codes, folder, corpus.catalog.ids, fitted.collisions)
        return fitted.lineage

    if encoder:
        code = ("core", "ids", "backbones")
        settings = {"encoder": encoder}
        inputs["text"] = store.stage(
            "text", encode_items, config=settings, code=code, inputs={"data": data}
        )
    return store.stage("ids", fit_codes, config=config.dump(), code=("core", "ids"), inputs=inputs)


def teach(
    method: GenerativeConfig, corpus: Corpus, data: Artefact, ids: Artefact, store: Store
) -> Artefact:
    """The method's model, trained; an interrupted run goes on where it stopped."""
    return store.stage(
        "train",
        lambda folder: train(method, corpus, load_codes(ids.path, corpus.catalog.ids), folder),
        config=method.model_dump(mode="json", exclude={"decode", "ids"}),
        code=("core", "prompting", "ids", "backbones", "models", "train"),
        inputs={"data": data, "ids": ids},
        resumable=True,
        collective=True,
    )
