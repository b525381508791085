"""A generative method's fit, and the preference pairs that it is aligned to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.errors import input_error
from p5rec.core.types import Corpus
from p5rec.ids.files import load_codes
from p5rec.models.bundle import Bundle
from p5rec.models.checkpoint import load_bundle, read_settings
from p5rec.train.alignment.hard_negatives import mine_negatives
from p5rec.train.config import PreferenceConfig
from p5rec.train.learner import LearnerConfig
from p5rec.train.training import train
from p5rec.train.training_data import history_examples

from ..needs import Inputs

Validate = Callable[[Bundle], Mapping[str, float]]


def fit(
    learner: LearnerConfig,
    validate: Validate | None,
    corpus: Corpus,
    folder: Path,
    inputs: Inputs,
) -> Lineage:
    """Trains on the codes in ``inputs["ids"]``, initialised from ``inputs["start"]`` if given.

    Other arguments are those of :func:`p5rec.train.training.train`.
    """
    codes = load_codes(inputs["ids"], corpus.catalog.ids)
    start, pairs = inputs.get("start"), inputs.get("pairs")
    return train(learner, corpus, codes, folder, validate, start=start, pairs=pairs)


def preference_pairs(
    learner: LearnerConfig, align: PreferenceConfig, corpus: Corpus, inputs: Inputs, folder: Path
) -> Lineage:
    """Mines hard negatives: items that the model in ``inputs["start"]`` recommends instead of the
    training targets.

    Raises:
        UserError: the model's codes differ from ``inputs["ids"]``.
    """
    start = inputs["start"]
    if not np.array_equal(load_codes(start / "codes").codes, load_codes(inputs["ids"]).codes):
        raise input_error(
            start, "a model with the same items and ids to align", "one with others",
            "give both methods the same ids",
        )  # fmt: skip
    own = read_settings(start)[0].backbone.source == learner.backbone.source
    bundle = load_bundle(start, download=own).ready()
    mine_negatives(
        bundle,
        history_examples(learner.train, corpus, bundle, None),
        folder,
        negatives=align.negatives,
        positions=align.positions,
        rejected=align.rejected,
        seed=learner.train.seed,
    )
    return Lineage(corpus.interactions.event_keys[corpus.split.mask("train")])
