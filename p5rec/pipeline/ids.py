"""The stages that give items their ids, kept in the store and made again only when they must be."""

from __future__ import annotations

from functools import partial

import numpy as np

from p5rec.backbones.config import BackboneConfig, ScratchConfig
from p5rec.backbones.load import fingerprint
from p5rec.backbones.views import encode_items
from p5rec.core.artefacts import Artefact, Store, file_sha256
from p5rec.core.types import Corpus, ItemCodes
from p5rec.data.files import existing
from p5rec.ids.config import POLICIES, SCHEMES, IdsConfig, SasrecConfig
from p5rec.ids.make import VECTORS, make_codes
from p5rec.train.config import DenseConfig, TrainConfig
from p5rec.train.method import GenerativeConfig
from p5rec.train.work import learn_vectors


def build_ids(config: IdsConfig, corpus: Corpus, data: Artefact, store: Store) -> Artefact:
    """Codes for every item, from training events and item texts."""
    config = config.sized(len(corpus.catalog))
    views = {}
    if config.vectors.text:
        views["text"] = _encode_texts(config.vectors.text, corpus, data, store)
    if config.vectors.sasrec:
        views["sasrec"] = _learn_vectors(config.vectors.sasrec, config.seed, corpus, data, store)
    inputs: dict[str, Artefact | str] = {"data": data, **views}
    if config.vectors.file is not None:
        inputs["file"] = file_sha256(existing(config.vectors.file.path))
    return store.stage(
        "ids",
        partial(make_codes, config, corpus, {name: made.path for name, made in views.items()}),
        config=config.dump(),
        code=(make_codes, SCHEMES.target(config.scheme), POLICIES.target(config.policy)),
        inputs=inputs,
    )


def _learn_vectors(
    config: SasrecConfig, seed: int, corpus: Corpus, data: Artefact, store: Store
) -> Artefact:
    """Item embeddings of a compact decoder to which each item is one code: SASRec with the softmax
    over all items (Kang & McAuley 2018; Klenitskiy & Vasilev 2023 for the loss)."""
    n_items, dim = len(corpus.catalog), config.dim
    method = GenerativeConfig(
        backbone=BackboneConfig(
            name="scratch",
            lora=None,
            dtype="float32",
            items="tokens",
            item_rows=False,
            scratch=ScratchConfig(
                width=dim, layers=config.layers, heads=2, feedforward=4 * dim, dropout=0.2
            ),
        ),
        train=TrainConfig(
            steps=config.steps,
            batch=16,
            dense=DenseConfig(window=config.window),
            weight_decay=0.1,
            seed=seed,
        ),
    )
    names = ItemCodes(np.arange(n_items, dtype=np.int32)[:, None], (n_items,), "one code an item")

    return store.stage(
        "sasrec",
        partial(learn_vectors, method, corpus, names, VECTORS),
        config=method.model_dump(mode="json"),
        code=(learn_vectors,),
        inputs={"data": data},
        resumable=True,
        collective=True,
    )


def _encode_texts(encoder: str, corpus: Corpus, data: Artefact, store: Store) -> Artefact:
    return store.stage(
        "text",
        partial(encode_items, encoder, corpus.catalog, VECTORS),
        config={"encoder": encoder},
        code=(encode_items,),
        inputs={"data": data, **fingerprint(encoder)},
    )
