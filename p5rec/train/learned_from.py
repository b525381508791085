"""The training events that a method learns from."""

from __future__ import annotations

from p5rec.core.types import Corpus
from p5rec.data.fewer import of_some_users
from p5rec.data.swap import swapped

from .config import TrainConfig


def taught(corpus: Corpus, config: TrainConfig) -> Corpus:
    """``corpus`` with the training events that a method learns from."""
    if config.swap_users:
        corpus = swapped(corpus, ["train"], config.seed)
    return corpus if config.users == 1 else of_some_users(corpus, config.users, config.seed)
