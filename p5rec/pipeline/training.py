"""The stages up to a trained model, each kept in the store and made again only when it must be."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from p5rec.backbones.registry import BACKBONES
from p5rec.backbones.scratch import Scratch
from p5rec.backbones.sources import fingerprint
from p5rec.backbones.views import encode_items
from p5rec.core.artefacts import Artefact, Store, digest, file_sha256
from p5rec.core.errors import fault
from p5rec.core.types import Corpus, ItemCodes
from p5rec.data.files import existing
from p5rec.ids.config import POLICIES, SCHEMES, IdsConfig, SasrecConfig
from p5rec.ids.files import load_codes
from p5rec.ids.make import VECTORS, make_codes
from p5rec.methods.generative.linear import save_fitted
from p5rec.models.checkpoint import backbone_code, network
from p5rec.recommend.validate import settings_for, validator
from p5rec.train.config import DenseConfig, PreferenceConfig, TrainConfig
from p5rec.train.method import GenerativeConfig, taught_prompts
from p5rec.train.work import learn_vectors, mine_pairs, train_on


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
        backbone=Scratch(
            width=dim,
            layers=config.layers,
            heads=2,
            feedforward=4 * dim,
            dropout=0.2,
            items="tokens",
            item_rows=False,
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
        code=(learn_vectors, BACKBONES.target(method.backbone.kind)),
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


def teach(
    method: GenerativeConfig,
    corpus: Corpus,
    data: Artefact,
    ids: Artefact,
    store: Store,
    earlier: Mapping[str, Artefact] | None = None,
) -> Artefact:
    """The method's model, trained; an interrupted run goes on where it stopped.

    How lists are searched for is in the key where looks at validation by it say when to stop.

    Args:
        earlier: trained methods by name, of which ``method.start`` may name one.
    """
    settings = method.model_dump(mode="json", exclude={"decode", "ids", "linear", "start"})
    del settings["train"]["report_to"]
    looked = settings_for(method.decode, item_head=method.item_head is not None)
    if method.train.judged:
        settings["validation"] = looked.dump()
    validate = None
    if method.train.looks:
        validate = validator(corpus, looked, method.train.evaluate_users)
    first = (earlier or {}).get(method.start or "")
    start = first.path / "bundle" if first else Path(method.start) if method.start else None
    begun: dict[str, Artefact | str] = {}
    pairs = None
    if start is not None:
        begun["start"] = first or network(start)
        if isinstance(method.train.align, PreferenceConfig):
            pairs = begun["pairs"] = list_pairs(
                method, method.train.align, corpus, data, ids, start, store
            )
    return store.stage(
        "train",
        partial(train_on, method, corpus, ids.path, validate, start, pairs.path if pairs else None),
        config=settings,
        code=(
            train_on,
            BACKBONES.target(method.backbone.kind),
            *([validator] if validate else []),
        ),
        inputs={
            "data": data,
            "ids": ids,
            "prompts": digest(taught_prompts(method).subset_dump()),
            **method.backbone.fingerprint(),
            **begun,
        },
        resumable=True,
        collective=True,
    )


def fit_linear(
    method: GenerativeConfig, corpus: Corpus, data: Artefact, store: Store
) -> Artefact | None:
    """The linear part that the method's lists add to its model's; None: they add none."""
    config, learner = method.linear, method.train
    if config is None or not method.decode.linear_weight:
        return None
    drawn = learner.swap_users or learner.users != 1
    settings: dict[str, Any] = {
        **config.dump(),
        "swap_users": learner.swap_users,
        "users": learner.users,
        "seed": learner.seed if drawn else None,
    }
    return store.stage(
        "linear",
        partial(save_fitted, config, corpus, learner),
        config=settings,
        code=(save_fitted,),
        inputs={"data": data},
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

    return store.stage(
        "pairs",
        partial(mine_pairs, method, corpus, start, settings),
        config={**settings, "dense": method.train.dense.dump()},
        code=(mine_pairs, backbone_code(start)),
        inputs={"data": data, "model": network(start)},
    )
