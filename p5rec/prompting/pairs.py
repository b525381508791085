"""Questions about a user and an item that need not have met.

Each pair is one more event of its user, after everything the user did, of which nothing but the
item is known. The prompt families pose it like any other event. It stands in a log of its own, that
user's history and the pair; what is told of all events is told by the whole corpus.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from p5rec.core.errors import UserError
from p5rec.core.examples import Example
from p5rec.core.rng import combined, derive_seed
from p5rec.core.types import TEST, TRAIN, VALID, Corpus, Split
from p5rec.data.available import Available
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView, Known, Scale

from . import fewshot
from .library import PromptLibrary
from .source import PromptsConfig, pose

# given fields that tell what the user did with the item, which is what a pair does not have
TOLD = frozenset({"stars", "headline", "review", "summary"})


@dataclass(frozen=True, eq=False)
class PairView(CorpusView):
    """One user's events and a pair as the last of them.

    Training events stay what they are; every other event counts as one of validation, so that all
    of them are the pair's past.

    Attributes:
        whole: the corpus, which says what is known of items and ratings at large.
    """

    whole: CorpusView

    @classmethod
    def of(cls, whole: CorpusView, user: int, item: int) -> PairView:
        """The pair of a user row and an item row."""
        corpus, log = whole.corpus, whole.corpus.interactions
        own = slice(int(log.offsets[user]), int(log.offsets[user + 1]))
        items = np.append(log.items[own], log.items.dtype.type(item))
        parts = np.where(corpus.split.of_event[own] == TRAIN, TRAIN, VALID)
        times = log.times[own]
        events = replace(
            log,
            users=np.full_like(items, user, dtype=log.users.dtype),
            items=items,
            times=np.append(times, times.max(initial=0)),
            ratings=None if log.ratings is None else np.append(log.ratings[own], np.float32("nan")),
            texts={name: _longer(column[own]) for name, column in log.texts.items()},
            baskets=None if log.baskets is None else _one_more(log.baskets[own]),
            context={},  # of the pair nothing is known
            labels=None,
            behaviours=log.behaviours and log.behaviours.take(own).and_target(),
        )
        split = Split(corpus.split.name, np.append(parts, TEST).astype(np.int8), corpus.split.seed)
        pair = Corpus(events, corpus.catalog, corpus.users, split)
        return cls(pair, whole.names, whole)

    @property
    def event(self) -> int:
        """The row of the pair."""
        return len(self.corpus.interactions) - 1

    def past(self, event: int) -> np.ndarray:
        """See :meth:`CorpusView.past`."""
        return np.arange(event)

    def user_items(self, user: int) -> np.ndarray:
        """See :meth:`CorpusView.user_items`."""
        return self.corpus.interactions.items

    @property
    def has(self) -> frozenset[str]:
        """See :attr:`CorpusView.has`."""
        return self.whole.has

    @property
    def available(self) -> Available:  # type: ignore[override]
        """See :attr:`CorpusView.available`."""
        return self.whole.available

    @property
    def scale(self) -> Scale | None:
        """See :attr:`CorpusView.scale`."""
        return self.whole.scale

    @property
    def mean(self) -> float:
        """See :attr:`CorpusView.mean`."""
        return self.whole.mean

    @property
    def _item_ratings(self) -> tuple[np.ndarray, np.ndarray]:
        return self.whole._item_ratings

    @property
    def attributes(self) -> list[Known]:
        """See :attr:`CorpusView.attributes`."""
        return self.whole.attributes

    @property
    def user_attributes(self) -> list[Known]:
        """See :attr:`CorpusView.user_attributes`."""
        return self.whole.user_attributes

    @property
    def traits(self) -> list[tuple[str, ...]]:
        """See :attr:`CorpusView.traits`."""
        return self.whole.traits


def _one_more(baskets: np.ndarray) -> np.ndarray:
    return np.append(baskets, baskets.max(initial=-1) + 1)


def _longer(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A text column, and one more event without a text."""
    return pa.chunked_array([*column.chunks, pa.nulls(1, column.type)], type=column.type)


class PairQuestions:
    """Poses pairs in the first seen wording that needs nothing a pair does not have.

    What all questions share is made when it is; threads may share it. A question depends on its
    own pair alone, not on the pairs asked beside it. Targets are empty of meaning: nobody knows the
    answers.

    Args:
        view: what the users did.
        library: the wordings.
        family: a family about a user and an item, such as ``rating`` or ``explanation``.
        seed: of every draw.
        config: how much is shown.

    Raises:
        UserError: the family is unknown, the data lack what it needs, or no wording is left.
    """

    def __init__(
        self,
        view: CorpusView,
        library: PromptLibrary,
        family: str,
        *,
        seed: int = 0,
        config: PromptsConfig | None = None,
    ) -> None:
        self.view, self.family, self.seed = view, family, seed
        self.config = config or PromptsConfig()
        task = library.family(family).task
        if reason := TASKS.get(task).unavailable(view):
            raise UserError(reason)
        fitting = [t for t in library.fitting(family, view, unseen=False) if not t.given & TOLD]
        if not fitting:
            raise UserError(
                f"{family}: expected a wording that asks about any user and item, got none that "
                "the data can fill; add one to the prompts and train again"
            )
        self.template, self.pool = fitting[0], fewshot.Pool.of(view, task)

    def pose(self, users: np.ndarray, items: np.ndarray) -> list[Example]:
        """B questions about ``users`` and ``items``, ``(B,)`` rows."""
        pairs = zip(users.tolist(), items.tolist(), strict=True)
        return [self._pose(user, item) for user, item in pairs]

    def _pose(self, user: int, item: int) -> Example:
        view = PairView.of(self.view, user, item)
        log = self.view.corpus.interactions
        (key,) = combined(log.user_keys[[user]], log.item_keys[[item]]).tolist()
        seed = derive_seed(self.seed, "pair", self.family, key)
        _, example = pose(
            view, self.template, view.event, self.pool, seed, self.config, others=self.view
        )
        return replace(example, event=-1)  # it is none of the corpus
