"""Training examples: row ``i`` of a mixture of families, whatever the order or the worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from p5rec.core.config import Config
from p5rec.core.errors import UserError
from p5rec.core.examples import Example
from p5rec.core.rng import by_key, derive_rng, derive_seed
from p5rec.tasks.draft import Limits
from p5rec.tasks.fields import Record
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView

from . import fewshot
from .library import PromptLibrary
from .render import render
from .template import Template


class PromptsConfig(Config):
    """How records are posed."""

    folders: tuple[str, ...] = ()
    """Folders of further prompt files, besides the shipped ones."""
    max_history: Annotated[int, Field(ge=1)] = 10
    """Most earlier items in a prompt; the most recent ones are shown."""
    candidates: Annotated[int, Field(ge=2)] = 10
    """Items to choose from, the target included."""
    max_words: Annotated[int, Field(ge=1)] = 100
    """Most words of a review, an explanation or an attribute text."""
    shots: Annotated[int, Field(ge=0)] = 0
    """Worked examples before each prompt."""
    items: Literal["codes", "title"] = "codes"
    """How an item is written where its id is predicted or shown: by its ``codes``, or by its
    ``title``, which any language model can read.
    """

    @property
    def limits(self) -> Limits:
        """The part that a record's builder reads."""
        return Limits(self.max_history, self.candidates, self.max_words)


def pose(
    view: CorpusView,
    template: Template,
    row: int,
    pool: fewshot.Pool,
    seed: int,
    config: PromptsConfig,
    others: CorpusView | None = None,
) -> tuple[Record, Example]:
    """Row ``row`` of the template's task, as a record and in words.

    Args:
        view: the corpus.
        template: the wording.
        row: an event row, or an item row in the tasks about items.
        pool: training rows to take worked examples from.
        seed: the row's own.
        config: how much is shown.
        others: the corpus that ``pool`` is of; None: ``view``.
    """
    record = TASKS.get(template.task).build(view, row, np.random.default_rng(seed), config.limits)
    shots = fewshot.choose(others or view, record, pool, config.shots, seed, config.limits)
    return record, render(template, record, shots)


class ExampleSource(Sequence[Example]):
    """``length`` training examples, drawn from families by weight, in the seen wordings.

    A family goes through its rows in a seeded order, through all of them before any comes again.
    Which family example ``i`` is of depends on ``(seed, i)`` alone. How an event (or item) is posed
    the n-th time, its wording included, depends on its key, n and the seed alone, and so does which
    of two events comes first.

    Args:
        view: the corpus; training events alone are posed, with training events as their past.
        library: the wordings.
        weights: family → share of the draws.
        length: number of examples.
        seed: of every draw.
        config: how much is shown.

    Raises:
        UserError: a family is unknown, has no seen wording that fits the data, or the data cannot
            pose it; a line each.
    """

    def __init__(
        self,
        view: CorpusView,
        library: PromptLibrary,
        weights: Mapping[str, float],
        length: int,
        seed: int,
        config: PromptsConfig | None = None,
    ) -> None:
        self.view, self.seed, self.config = view, seed, config or PromptsConfig()
        self.families = tuple(sorted(weights))
        reasons = [unavailable(library, family, view) for family in self.families]
        if faults := [reason for reason in reasons if reason]:
            raise UserError(*faults)
        if min(weights.values(), default=0) < 0 or not sum(weights.values()):
            raise UserError(
                f"expected a family weight above 0 and none below, got {dict(weights)}; change them"
            )
        self._templates = [library.fitting(f, view, unseen=False) for f in self.families]
        self._tasks = [library.family(f).task for f in self.families]
        self._pools = [fewshot.Pool.of(view, task) for task in self._tasks]
        shares = np.array([weights[f] for f in self.families], dtype=np.float64)
        draw = derive_rng(seed, "families").random(length)
        self._family = np.searchsorted(np.cumsum(shares / shares.sum())[:-1], draw, side="right")
        self._row = np.empty(length, dtype=np.int64)
        self._pass = np.empty(length, dtype=np.int64)
        for number, pool in enumerate(self._pools):
            mine = np.flatnonzero(self._family == number)
            self._row[mine] = self._order(self.families[number], pool, len(mine))
            self._pass[mine] = np.arange(len(mine)) // len(pool.rows)

    def __len__(self) -> int:
        return len(self._family)

    def __getitem__(self, i: int) -> Example:  # type: ignore[override]
        number, row = int(self._family[i]), int(self._row[i])
        key = TASKS.get(self._tasks[number]).keys(self.view)[row]
        names = (self.families[number], int(self._pass[i]), int(key))
        seed, templates = derive_seed(self.seed, "example", *names), self._templates[number]
        template = templates[seed % len(templates)]
        return pose(self.view, template, row, self._pools[number], seed, self.config)[1]

    def _order(self, family: str, pool: fewshot.Pool, count: int) -> np.ndarray:
        passes = range(-(-count // len(pool.rows)))
        orders = [pool.rows[by_key(pool.keys, self.seed, "order", family, n)] for n in passes]
        return np.concatenate([pool.rows[:0], *orders])[:count]


def unavailable(library: PromptLibrary, family: str, view: CorpusView) -> str | None:
    """Why the family cannot train on this corpus, None where it can."""
    reason = TASKS.get(library.family(family).task).unavailable(view)
    if reason is None and not library.fitting(family, view, unseen=False):
        return f"{family}: every seen wording uses a field that the data cannot offer"
    return reason
