"""The instances that click models are trained and validated on."""

from __future__ import annotations

import numpy as np

from p5rec.core.errors import input_error
from p5rec.core.rng import sampled
from p5rec.core.types import Corpus
from p5rec.data.click_instances import ClickInstances, click_instances

VALIDATED = 20_000  # instances of a validation check, at most


def training_instances(corpus: Corpus, seed: int, most: int | None) -> ClickInstances:
    """The training instances; histories have the latest ``most`` events (None: all).

    Raises:
        UserError: they have one label only.
    """
    instances = click_instances(corpus, "train", seed, most)
    values = np.unique(instances.labels)
    if len(values) < 2:
        got = f"only label {values[0]} ({len(instances)} events)" if len(values) else "none"
        raise input_error(
            "click training", "positive and negative training events", got,
            "check data.label, or leave it out to sample negatives",
        )  # fmt: skip
    return instances


def validation_instances(corpus: Corpus, seed: int, most: int | None) -> ClickInstances | None:
    """At most ``VALIDATED`` validation instances; None: they do not have both labels."""
    instances = click_instances(corpus, "valid", seed, most)
    keys = corpus.interactions.event_keys[instances.events]
    instances = instances.take(sampled(keys, VALIDATED, seed, "validation instances"))
    positive = instances.labels > 0
    return instances if positive.any() and not positive.all() else None
