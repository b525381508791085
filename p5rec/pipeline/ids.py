"""The stages that build semantic ids, cached in the store."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from p5rec.backbones.sources import fingerprint
from p5rec.backbones.vectors_config import StoredVectorsConfig
from p5rec.core.artefacts import Artefact, digest, file_sha256, read_json
from p5rec.core.config import bind
from p5rec.data.entity_texts import item_texts
from p5rec.data.files import existing
from p5rec.ids.config import (
    BY_VECTORS,
    POLICIES,
    QUANTISERS,
    SCHEMES,
    CooccurrenceConfig,
    IdsConfig,
)
from p5rec.ids.files import CONFIG
from p5rec.ids.make import make_codes
from p5rec.methods.base import Method
from p5rec.methods.fitted import Fitted
from p5rec.methods.folder import contents
from p5rec.methods.views import save_vectors
from p5rec.train.extension import extend_codes

from .fitting import fit_method
from .prepared import Prepared
from .vectors import encode_vectors


def build_ids(
    config: IdsConfig,
    views: Mapping[str, Method],
    prepared: Prepared,
    repeats: int = 1,
    first: int = 0,
) -> list[Artefact]:
    """Codes for every item, from training events and item texts, once for each seed.

    Args:
        config: of the ids.
        views: view → the method whose item vectors are used (``p5rec.methods.views``); the codes of
            a seed use the model of that seed.
        prepared: the data.
        repeats: number of seeds.
        first: offset of the first seed from the config's seed.
    """
    fitted = {
        name: fit_method(method, prepared, repeats=repeats, first=first, name=name)
        for name, method in views.items()
    }
    return [
        _build(
            config.reseeded(first + n),
            {name: runs[n % len(runs)] for name, runs in fitted.items()},
            prepared,
        )
        for n in range(repeats)
    ]


def extend_ids(codes: Path, prepared: Prepared) -> Artefact:
    """The ``codes`` of a model, extended to the items of other data; old items keep their codes.

    Raises:
        UserError: see :func:`p5rec.train.extension.extended`.
    """
    return prepared.store.stage(
        "ids",
        partial(extend_codes, codes, prepared.corpus),
        config={},
        code=(extend_codes, *map(QUANTISERS.target, QUANTISERS)),
        inputs={
            "data": prepared.data, "codes": digest(contents(codes)), **_content_files(codes),
        },
    )  # fmt: skip


def _content_files(codes: Path) -> dict[str, str]:
    """Hashes of the files that the content of new items is read from; codes without an encoder read
    none."""
    if not (codes / CONFIG).is_file():
        return {}
    vectors = bind(IdsConfig, read_json(codes / CONFIG), {}, codes / CONFIG).vectors
    hashes = fingerprint(vectors.text) if vectors.text else {}
    if vectors.file is not None and (path := Path(vectors.file.path)).is_file():
        hashes["file"] = file_sha256(path)
    return hashes


def _build(config: IdsConfig, fitted: Mapping[str, Fitted], prepared: Prepared) -> Artefact:
    corpus, config = prepared.corpus, _with_texts(config, prepared)
    views = {name: _item_vectors(run, prepared) for name, run in fitted.items()}
    if config.vectors.text:
        metadata = StoredVectorsConfig(metadata="items", encoder=config.vectors.text)
        views["text"] = encode_vectors(metadata, {}, prepared)
    inputs: dict[str, Artefact | str] = {"data": prepared.data}
    inputs |= {f"{name} vectors": stage for name, stage in views.items()}
    if config.vectors.file is not None:
        inputs["file"] = file_sha256(existing(config.vectors.file.path))
    return prepared.store.stage(
        "ids",
        partial(make_codes, config, corpus, {name: stage.path for name, stage in views.items()}),
        config=config.dump(),
        code=(make_codes, SCHEMES.target(config.scheme), POLICIES.target(config.policy)),
        inputs=inputs,
    )


def _with_texts(config: IdsConfig, prepared: Prepared) -> IdsConfig:
    """The config without the text view if no item has a text; co-occurrence replaces it where the
    scheme codes vectors and no other view is left."""
    if not config.vectors.text or any(item_texts(prepared.corpus.catalog)):
        return config
    vectors = config.vectors.model_copy(update={"text": None})
    if not vectors.weights and config.scheme in BY_VECTORS:
        vectors = vectors.model_copy(update={"cooccurrence": CooccurrenceConfig()})
    views = ", ".join(vectors.weights) or config.scheme
    prepared.store.notify(f"ids: no item has a title or an attribute; coded by {views}")
    return config.model_copy(update={"vectors": vectors})


def _item_vectors(fitted: Fitted, prepared: Prepared) -> Artefact:
    keys = prepared.corpus.interactions.item_keys
    return prepared.store.stage(
        "vectors",
        partial(save_vectors, fitted.method, fitted.folder, keys),
        config=fitted.method.dump(),
        code=(save_vectors, *fitted.method.queried_by),
        inputs={"data": prepared.data, "model": fitted.model_stage},
    )
