"""The stages up to a trained model, each kept in the store and made again only when it must be."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from p5rec.backbones.load import fingerprint
from p5rec.core.artefacts import Artefact, Store, digest
from p5rec.core.errors import fault
from p5rec.core.types import Corpus
from p5rec.ids.files import load_codes
from p5rec.methods.generative.linear import save_fitted
from p5rec.models.checkpoint import network
from p5rec.recommend.validate import settings_for, validator
from p5rec.train.config import PreferenceConfig
from p5rec.train.method import GenerativeConfig, taught_prompts
from p5rec.train.work import mine_pairs, train_on


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
        code=(train_on, *([validator] if validate else [])),
        inputs={
            "data": data,
            "ids": ids,
            "prompts": digest(taught_prompts(method).subset_dump()),
            **fingerprint(method.backbone.name),
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
        code=(mine_pairs,),
        inputs={"data": data, "model": network(start)},
    )
