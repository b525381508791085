"""The stages up to a trained model, each kept in the store and made again only when it must be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from p5rec.backbones.config import BackboneConfig, ScratchConfig
from p5rec.backbones.encoder import encode
from p5rec.backbones.load import fingerprint
from p5rec.core.artefacts import Artefact, Lineage, Store, digest, file_sha256, write_json
from p5rec.core.errors import fault
from p5rec.core.types import Corpus, ItemCodes
from p5rec.data.files import existing
from p5rec.data.texts import item_texts
from p5rec.ids.base import fit
from p5rec.ids.config import IdsConfig, SasrecConfig
from p5rec.ids.encoder import save_encoder
from p5rec.ids.files import load_codes, save_codes
from p5rec.ids.quality import FILE, report
from p5rec.ids.vectors import file_vectors
from p5rec.models.checkpoint import MANIFEST, Bundle, load_bundle, read_settings

from .aligned import history_rows
from .config import DenseConfig, PreferenceConfig, TrainConfig
from .lessons import shown
from .method import GenerativeConfig, taught_prompts
from .pairs import mine
from .training import train

VECTORS = "vectors.npy"


def build_ids(config: IdsConfig, corpus: Corpus, data: Artefact, store: Store) -> Artefact:
    """Codes for every item, from training events and item texts."""
    config = config.sized(len(corpus.catalog))
    views = {}
    if config.vectors.text:
        views["text"] = _encode_texts(config.vectors.text, corpus, data, store)
    if config.vectors.sasrec:
        views["sasrec"] = _learn_vectors(config.vectors.sasrec, config.seed, corpus, data, store)
    file = config.vectors.file

    def fit_codes(folder: Path) -> Lineage:
        given = {name: np.load(artefact.path / VECTORS) for name, artefact in views.items()}
        if file is not None:
            given["file"] = file_vectors(Path(file.path), corpus.catalog.ids)
        fitted = fit(config, corpus, given)
        save_codes(fitted.codes, folder, corpus.catalog.ids, fitted.collisions)
        save_encoder(fitted, config, folder)
        write_json(folder / FILE, report(fitted.codes, corpus, config.seed))
        return fitted.lineage

    inputs: dict[str, Artefact | str] = {"data": data, **views}
    if file is not None:
        inputs["file"] = file_sha256(existing(file.path))
    return store.stage("ids", fit_codes, config=config.dump(), code=("core", "ids"), inputs=inputs)


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

    def make(folder: Path) -> Lineage:
        lineage = train(method, corpus, names, folder)
        rows = load_bundle(folder / "bundle").model.code_rows(0).detach().float().numpy().copy()
        rows[~shown(corpus)] = np.nan
        np.save(folder / VECTORS, rows)
        return lineage

    return store.stage(
        "sasrec",
        make,
        config=method.model_dump(mode="json"),
        code=("core", "prompting", "ids", "decode", "backbones", "models", "train"),
        inputs={"data": data},
        resumable=True,
        collective=True,
    )


def _encode_texts(encoder: str, corpus: Corpus, data: Artefact, store: Store) -> Artefact:
    def make(folder: Path) -> Lineage:
        np.save(folder / VECTORS, encode(item_texts(corpus.catalog), encoder, download=True))
        return Lineage.none()

    code = ("core", "data", "backbones")
    return store.stage("text", make, config={"encoder": encoder}, code=code, inputs={"data": data})


def teach(
    method: GenerativeConfig,
    corpus: Corpus,
    data: Artefact,
    ids: Artefact,
    store: Store,
    validate: Callable[[Bundle], Mapping[str, float]] | None = None,
    earlier: Mapping[str, Artefact] | None = None,
) -> Artefact:
    """The method's model, trained; an interrupted run goes on where it stopped.

    Args:
        validate: what is logged of the model every ``method.train.evaluate_every`` steps.
        earlier: trained methods by name, of which ``method.start`` may name one.
    """
    settings = method.model_dump(mode="json", exclude={"decode", "ids", "start"})
    first = (earlier or {}).get(method.start or "")
    start = first.path / "bundle" if first else Path(method.start) if method.start else None
    begun: dict[str, Artefact | str] = {}
    pairs = None
    if start is not None:
        begun["start"] = first or file_sha256(start / MANIFEST)
        if isinstance(method.train.align, PreferenceConfig):
            pairs = begun["pairs"] = list_pairs(
                method, method.train.align, corpus, data, ids, start, store
            )
    return store.stage(
        "train",
        lambda folder: train(
            method,
            corpus,
            load_codes(ids.path, corpus.catalog.ids),
            folder,
            validate,
            start=start,
            pairs=None if pairs is None else pairs.path,
        ),
        config=settings,
        code=("core", "prompting", "ids", "decode", "backbones", "models", "train"),
        inputs={
            "data": data,
            "ids": ids,
            "prompts": digest(taught_prompts(method).subset_dump()),
            **fingerprint(method.backbone),
            **begun,
        },
        resumable=True,
        collective=True,
    )


def list_pairs(
    method: GenerativeConfig,
    align: PreferenceConfig,
    corpus: Corpus,
    data: Artefact,
    ids: Artefact,
    start: Path,
    store: Store,
) -> Artefact:
    """What the model in ``start`` would name in place of each training event.

    Raises:
        UserError: it knows the items by other codes than ``ids``.
    """
    if not np.array_equal(load_codes(start / "codes").codes, load_codes(ids.path).codes):
        raise fault(
            start, "a model of the same items and ids to align", "one of others",
            "give both methods the same ids",
        )  # fmt: skip
    settings: dict[str, Any] = {
        "negatives": align.negatives,
        "positions": align.positions,
        "rejected": align.rejected,
        "seed": method.train.seed,
    }

    def make(folder: Path) -> Lineage:
        own = read_settings(start)[0].backbone.name == method.backbone.name
        bundle = load_bundle(start, download=own).ready()
        mine(bundle, history_rows(method.train, corpus, bundle, None), folder, **settings)
        return Lineage(corpus.split.mask("train"))

    return store.stage(
        "pairs",
        make,
        config={**settings, "dense": method.train.dense.dump()},
        code=("core", "data", "decode", "models", "train"),
        inputs={"data": data, "model": file_sha256(start / MANIFEST)},
    )
