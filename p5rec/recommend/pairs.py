"""A trained model's predictions for pairs of a user and an item, with or without an event.

The constructors compute what all pairs share. Threads may share the predictors, which write nothing
to the terminal.
"""

from __future__ import annotations

import numpy as np

from p5rec.core.errors import UserError
from p5rec.core.types import Corpus
from p5rec.models.bundle import Bundle
from p5rec.models.ratings import TASK
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.pairs import PairPrompts, PairView

from .capabilities import require_task
from .config import DecodeConfig
from .prompt_predictions import encode_prompts, generate_texts
from .ratings import estimate_ratings, preferred_estimate, rating_history, scale_words


class PairRater:
    """Predicts ratings.

    Args:
        bundle: ready to predict.
        corpus: the users' histories are all their events.
        decode: precision and batch size.

    Raises:
        UserError: the model was trained on neither ``rating`` nor ``rating-sequence``, or the data
            have no ratings.
    """

    def __init__(self, bundle: Bundle, corpus: Corpus, decode: DecodeConfig) -> None:
        self.bundle, self.decode = bundle, decode
        self.prompts = None
        if TASK not in bundle.settings.tasks:
            self.prompts = _pair_prompts(bundle, corpus, "rating")
        elif corpus.interactions.ratings is None:
            raise UserError("ratings: expected data with ratings, got none; map their column")
        else:
            self.view, self.histories = bundle.view(corpus), bundle.rated_histories()
        self.words = scale_words(bundle)

    def __call__(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """``(B,)`` float32 on the data's scale.

        Args:
            users, items: ``(B,)`` rows of the b-th pair.
        """
        if self.prompts is not None:
            prompts = encode_prompts(self.bundle, self.prompts.examples(users, items))
        else:
            prompts = [
                self._history(user, item)
                for user, item in zip(users.tolist(), items.tolist(), strict=True)
            ]
        return preferred_estimate(estimate_ratings(self.bundle, prompts, self.decode, self.words))

    def _history(self, user: int, item: int) -> np.ndarray:
        view = PairView.of(self.view, user, item)
        return rating_history(self.bundle, self.histories, view, view.event)


class PairExplainer:
    """Explains why items suit users; arguments as :class:`PairRater`.

    Raises:
        UserError: the model was not trained on ``explanation``, or the data lack its fields.
    """

    def __init__(self, bundle: Bundle, corpus: Corpus, decode: DecodeConfig) -> None:
        self.bundle, self.decode = bundle, decode
        self.prompts = _pair_prompts(bundle, corpus, "explanation")

    def __call__(self, users: np.ndarray, items: np.ndarray) -> list[str]:
        """B texts; arguments as :meth:`PairRater.__call__`."""
        return generate_texts(self.bundle, self.prompts.examples(users, items), self.decode)


def _pair_prompts(bundle: Bundle, corpus: Corpus, family: str) -> PairPrompts:
    require_task(bundle.settings.tasks, family)
    return PairPrompts(
        bundle.view(corpus),
        PromptLibrary.from_dump(bundle.prompts),
        family,
        seed=corpus.split.seed,
        config=bundle.settings.prompts,
    )
