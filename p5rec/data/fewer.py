"""Fewer training events: those of some users, to see how much data a method needs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from p5rec.core.rng import sampled
from p5rec.core.types import Corpus

from .split import UNUSED


def of_some_users(corpus: Corpus, share: float, seed: int) -> Corpus:
    """The corpus with the training events of a seeded ``share`` of its users, at least one.

    A smaller share's users are among a larger one's. Other users' training events are in no
    part.
    """
    log = corpus.interactions
    train = corpus.split.mask("train")
    users = np.unique(log.users[train])
    count = max(1, round(share * len(users)))
    kept = users[sampled(log.user_keys[users], count, seed, "users")]
    parts = np.where(train & ~np.isin(log.users, kept), UNUSED, corpus.split.parts)
    return replace(corpus, split=replace(corpus.split, parts=parts.astype(np.int8)))
