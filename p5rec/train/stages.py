"""The stages up to a trained model, each kept in the store and made again only when it must be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from p5rec.backbones.encoder import encode
from p5rec.backbones.load import fingerprint
from p5rec.core.artefacts import Artefact, Lineage, Store, digest
from p5rec.core.types import Corpus
from p5rec.ids.base import fit, load_codes, save_codes
from p5rec.ids.config import IdsConfig
from p5rec.ids.vectors import item_texts
from p5rec.models.checkpoint import Bundle

from .launch import processes
from .method import GenerativeConfig, taught_prompts, train

VECTORS = "vectors.npy"


def build_ids(config: IdsConfig, corpus: Corpus, data: Artefact, store: Store) -> Artefact:
    """Codes for every item, from training events and item texts."""
    inputs = {"data": data}
    if config.vectors.text:
        inputs["text"] = _encode_texts(config.vectors.text, corpus, data, store)

    def fit_codes(folder: Path) -> Lineage:
        text = np.load(inputs["text"].path / VECTORS) if "text" in inputs else None
        fitted = fit(config, corpus.interactions, corpus.split, text)
        save_codes(fitted.codes, folder, corpus.catalog.ids, fitted.collisions)
        return fitted.lineage

    return store.stage("ids", fit_codes, config=config.dump(), code=("core", "ids"), inputs=inputs)


def _encode_texts(encoder: str, corpus: Corpus, data: Artefact, store: Store) -> Artefact:
    def make(folder: Path) -> Lineage:
        np.save(folder / VECTORS, encode(item_texts(corpus.catalog), encoder))
        return Lineage.none()

    code = ("core", "ids", "backbones")
    return store.stage("text", make, config={"encoder": encoder}, code=code, inputs={"data": data})


def teach(
    method: GenerativeConfig,
    corpus: Corpus,
    data: Artefact,
    ids: Artefact,
    store: Store,
    validate: Callable[[Bundle], Mapping[str, float]] | None = None,
) -> Artefact:
    """The method's model, trained; an interrupted run goes on where it stopped.

    Args:
        validate: what is logged of the model every ``method.train.evaluate_every`` steps.
    """
    settings = method.model_dump(mode="json", exclude={"decode", "ids"})
    return store.stage(
        "train",
        lambda folder: train(
            method, corpus, load_codes(ids.path, corpus.catalog.ids), folder, validate
        ),
        config={**settings, "processes": processes()},
        code=("core", "prompting", "ids", "decode", "backbones", "models", "train"),
        inputs={
            "data": data,
            "ids": ids,
            "prompts": digest(taught_prompts(method).subset_dump()),
            **fingerprint(method.backbone),
        },
        resumable=True,
        collective=True,
    )
