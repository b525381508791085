"""The work of the stages that train, and of those that ask a model for what another learns from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.types import Corpus, ItemCodes
from p5rec.ids.files import load_codes
from p5rec.models.checkpoint import Bundle, load_bundle, read_settings

from .alignment.mining import mine
from .method import GenerativeConfig
from .training import train
from .training_data import history_rows, shown


def train_on(
    method: GenerativeConfig,
    corpus: Corpus,
    ids: Path,
    validate: Callable[[Bundle], Mapping[str, float]] | None,
    start: Path | None,
    pairs: Path | None,
    folder: Path,
) -> Lineage:
    """:func:`p5rec.train.training.train` on the codes in ``ids``."""
    codes = load_codes(ids, corpus.catalog.ids)
    return train(method, corpus, codes, folder, validate, start=start, pairs=pairs)


def learn_vectors(
    method: GenerativeConfig, corpus: Corpus, names: ItemCodes, file: str, folder: Path
) -> Lineage:
    """Trains ``method`` and writes the rows of the items that it saw to ``file`` in ``folder``.

    Args:
        names: one code an item.
        file: ``(N, width)`` float32; a row of NaN is an item without a training event.
    """
    lineage = train(method, corpus, names, folder)
    rows = load_bundle(folder / "bundle").model.code_rows(0).detach().float().numpy().copy()
    rows[~shown(corpus)] = np.nan
    np.save(folder / file, rows)
    return lineage


def mine_pairs(
    method: GenerativeConfig, corpus: Corpus, start: Path, settings: dict[str, Any], folder: Path
) -> Lineage:
    """What the model in ``start`` would name in place of each training event, in ``folder``.

    Args:
        settings: of :func:`p5rec.train.alignment.mining.mine`.
    """
    own = read_settings(start)[0].backbone.source == method.backbone.source
    bundle = load_bundle(start, download=own).ready()
    mine(bundle, history_rows(method.train, corpus, bundle, None), folder, **settings)
    return Lineage(corpus.interactions.event_keys[corpus.split.mask("train")])
