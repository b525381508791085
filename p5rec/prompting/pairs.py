"""Prompts for user-item pairs that need no interaction in the log.

Each pair becomes one more event of its user, after all of the user's events; its item is known and
nothing else. The prompt families render it like any other event. The pair has a log of its own: the
user's history and the pair. Statistics over all events come from the whole corpus.
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
from p5rec.tasks.item_facts import Known
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView, Scale

from . import fewshot
from .library import PromptLibrary
from .source import PromptsConfig, build_example

# source fields that describe the interaction itself, which a pair does not have
INTERACTION_FIELDS = frozenset({"stars", "headline", "review", "summary"})


@dataclass(frozen=True, eq=False)
class PairView(CorpusView):
    """One user's events, with the pair as the last event.

    Training events stay training events. All other events become validation events, so that the
    pair's past contains every event of the user.

    Attributes:
        full: the view of the whole corpus, the source of item attributes and rating statistics.
    """

    full: CorpusView

    @classmethod
    def of(cls, full: CorpusView, user: int, item: int) -> PairView:
        """The view of one pair: row numbers of a user and an item."""
        corpus, log = full.corpus, full.corpus.interactions
        own = slice(int(log.offsets[user]), int(log.offsets[user + 1]))
        items = np.append(log.items[own], log.items.dtype.type(item))
        of_event = np.where(corpus.split.of_event[own] == TRAIN, TRAIN, VALID)
        times = log.times[own]
        events = replace(
            log,
            users=np.full_like(items, user, dtype=log.users.dtype),
            items=items,
            times=np.append(times, times.max(initial=0)),
            ratings=None if log.ratings is None else np.append(log.ratings[own], np.float32("nan")),
            texts={name: _append_null(column[own]) for name, column in log.texts.items()},
            baskets=None if log.baskets is None else _append_basket(log.baskets[own]),
            context={},  # unknown for the pair
            labels=None,
            behaviours=log.behaviours and log.behaviours.take(own).with_target(),
        )
        split = Split(
            corpus.split.name, np.append(of_event, TEST).astype(np.int8), corpus.split.seed
        )
        pair = Corpus(events, corpus.catalog, corpus.users, split)
        return cls(pair, full.names, full)

    @property
    def event(self) -> int:
        """The event row of the pair."""
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
        return self.full.has

    @property
    def available(self) -> Available:  # type: ignore[override]
        """See :attr:`CorpusView.available`."""
        return self.full.available

    @property
    def scale(self) -> Scale | None:
        """See :attr:`CorpusView.scale`."""
        return self.full.scale

    @property
    def mean(self) -> float:
        """See :attr:`CorpusView.mean`."""
        return self.full.mean

    @property
    def _item_ratings(self) -> tuple[np.ndarray, np.ndarray]:
        return self.full._item_ratings

    @property
    def attributes(self) -> list[Known]:
        """See :attr:`CorpusView.attributes`."""
        return self.full.attributes

    @property
    def user_attributes(self) -> list[Known]:
        """See :attr:`CorpusView.user_attributes`."""
        return self.full.user_attributes

    @property
    def traits(self) -> list[tuple[str, ...]]:
        """See :attr:`CorpusView.traits`."""
        return self.full.traits


def _append_basket(baskets: np.ndarray) -> np.ndarray:
    return np.append(baskets, baskets.max(initial=-1) + 1)


def _append_null(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Appends one event without a text to a text column."""
    return pa.chunked_array([*column.chunks, pa.nulls(1, column.type)], type=column.type)


class PairPrompts:
    """Renders pairs in the first training template without fields of the interaction itself.

    The constructor prepares the shared state; several threads may use one object. A prompt depends
    on its own pair alone. The targets of the examples are meaningless, because the outcome of a
    pair is unknown.

    Args:
        view: the corpus.
        library: the prompt templates.
        family: a family about a user and an item: ``rating`` or ``explanation``, for example.
        seed: seed of every random choice.
        config: prompt settings.

    Raises:
        UserError: the family is unknown, the data lack a field it needs, or no template fits.
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
        fitting = [
            t
            for t in library.fitting(family, view, held_out=False)
            if not t.source_fields & INTERACTION_FIELDS
        ]
        if not fitting:
            raise UserError(
                f"{family}: expected a template for any user and item, got none that the data "
                "can fill; add one to the prompts and train again"
            )
        self.template, self.pool = fitting[0], fewshot.Pool.of(view, task)

    def examples(self, users: np.ndarray, items: np.ndarray) -> list[Example]:
        """The prompts of B pairs of ``users`` and ``items``, ``(B,)`` row numbers."""
        pairs = zip(users.tolist(), items.tolist(), strict=True)
        return [self._example(user, item) for user, item in pairs]

    def _example(self, user: int, item: int) -> Example:
        view = PairView.of(self.view, user, item)
        log = self.view.corpus.interactions
        (key,) = combined(log.user_keys[[user]], log.item_keys[[item]]).tolist()
        seed = derive_seed(self.seed, "pair", self.family, key)
        _, example = build_example(
            view, self.template, view.event, self.pool, seed, self.config, others=self.view
        )
        return replace(example, event=-1)  # the pair is no event of the corpus
