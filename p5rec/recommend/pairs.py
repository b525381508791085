"""A trained model asked about pairs of a user and an item that need not have met.

What all pairs share is made once; threads may share it, and it is silent.
"""

from __future__ import annotations

import numpy as np

from p5rec.core.errors import UserError
from p5rec.core.types import Corpus
from p5rec.models.checkpoint import Bundle
from p5rec.models.ratings import TASK
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.pairs import PairQuestions, PairView

from .answers import encode_all, write
from .capabilities import check_taught
from .config import DecodeConfig
from .ratings import own_reading, rating_history, read_ratings, scale_words


class PairRater:
    """What users would rate items.

    Args:
        bundle: ready to answer.
        corpus: all of it counts as what the users did.
        decode: precision and batch size.

    Raises:
        UserError: the model was taught neither ``rating`` nor ``rating-sequence``, or the data have
            no ratings.
    """

    def __init__(self, bundle: Bundle, corpus: Corpus, decode: DecodeConfig) -> None:
        self.bundle, self.decode = bundle, decode
        self.questions = None
        if TASK not in bundle.settings.tasks:
            self.questions = _questions(bundle, corpus, "rating")
        elif corpus.interactions.ratings is None:
            raise UserError("ratings: expected data with ratings, got none; map their column")
        else:
            self.view, self.histories = bundle.view(corpus), bundle.rated_histories()
        self.words = scale_words(bundle)

    def __call__(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """``(B,)`` float32 on the data's scale.

        Args:
            users, items: ``(B,)`` rows, the b-th of each a pair.
        """
        if self.questions is not None:
            prompts = encode_all(self.bundle, self.questions.pose(users, items))
        else:
            prompts = [
                self._history(user, item)
                for user, item in zip(users.tolist(), items.tolist(), strict=True)
            ]
        return own_reading(read_ratings(self.bundle, prompts, self.decode, self.words))

    def _history(self, user: int, item: int) -> np.ndarray:
        view = PairView.of(self.view, user, item)
        return rating_history(self.bundle, self.histories, view, view.event)


class PairExplainer:
    """Why items suit users; arguments as :class:`PairRater`.

    Raises:
        UserError: the model was not taught ``explanation``, or the data lack what that needs.
    """

    def __init__(self, bundle: Bundle, corpus: Corpus, decode: DecodeConfig) -> None:
        self.bundle, self.decode = bundle, decode
        self.questions = _questions(bundle, corpus, "explanation")

    def __call__(self, users: np.ndarray, items: np.ndarray) -> list[str]:
        """B texts; arguments as :meth:`PairRater.__call__`."""
        return write(self.bundle, self.questions.pose(users, items), self.decode)


def _questions(bundle: Bundle, corpus: Corpus, family: str) -> PairQuestions:
    check_taught(bundle.settings.tasks, family)
    return PairQuestions(
        bundle.view(corpus),
        PromptLibrary.from_dump(bundle.prompts),
        family,
        seed=corpus.split.seed,
        config=bundle.settings.prompts,
    )
