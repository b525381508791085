"""The work of the stages that train, and of those that ask a model for what another learns from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from p5rec.core.artefacts import Lineage
from p5rec.core.types import Corpus
from p5rec.ids.files import load_codes
from p5rec.models.checkpoint import Bundle, load_bundle, read_settings

from .alignment.mining import mine
from .method import GenerativeConfig
from .training import train
from .training_data import history_rows


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


def mine_pairs(
    method: GenerativeConfig, corpus: Corpus, start: Path, settings: dict[str, Any], folder: Path
) -> Lineage:
    """What the model in ``start`` would name in place of each training event, in ``folder``.

    Args:
        settings: of :func:`p5rec.train.alignment.mining.mine`.
    """
    own = read_settings(start)[0].backbone.name == method.backbone.name
    bundle = load_bundle(start, download=own).ready()
    mine(bundle, history_rows(method.train, corpus, bundle, None), folder, **settings)
    return Lineage(corpus.interactions.event_keys[corpus.split.mask("train")])
