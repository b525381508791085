"""Training examples: example ``i`` of a mixture of families, in any order and in any worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from p5rec.core.config import Config
from p5rec.core.errors import UserError
from p5rec.core.examples import Example, Past
from p5rec.core.rng import by_key, derive_rng, derive_seed, occurrence
from p5rec.data.item_tree import TreeConfig
from p5rec.data.knowledge import Knowledge, read_facts
from p5rec.tasks.fields import Record
from p5rec.tasks.record_builder import Limits
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView

from . import fewshot
from .library import PromptLibrary
from .render import render
from .template import Template


class PromptsConfig(Config):
    """How records are rendered."""

    folders: tuple[str, ...] = ()
    """Folders of further prompt files, besides the shipped ones."""
    max_history: Annotated[int, Field(ge=1)] = 10
    """Most earlier items in a prompt; the most recent ones are shown."""
    candidates: Annotated[int, Field(ge=2)] = 10
    """Items to choose from, the target included."""
    max_words: Annotated[int, Field(ge=1)] = 100
    """Most words of a review, an explanation or an attribute text."""
    list_length: Annotated[int, Field(ge=1)] = 5
    """Most items of a list that is a target."""
    templates: tuple[str, ...] = ()
    """Training templates to use, by id; a family without one here uses all of its own."""
    shots: Annotated[int, Field(ge=0)] = 0
    """Worked examples before each prompt."""
    items: Literal["codes", "title"] = "codes"
    """How an item is written where its id is predicted or shown: by its ``codes``, or by its
    ``title``, which any language model can read.
    """

    knowledge: str | None = None
    """A table file with a column ``fact``: prompts about an item show the fact nearest to its title
    in the field ``fact``. null: templates with this field are not used.
    """
    tree: TreeConfig = TreeConfig()
    """The item tree of the task ``item-tree``."""

    def read_knowledge(self) -> Knowledge | None:
        """The facts of the knowledge file; None without one.

        Raises:
            UserError: the file is missing or has no facts.
        """
        return None if self.knowledge is None else Knowledge(read_facts(Path(self.knowledge)))

    @property
    def limits(self) -> Limits:
        """The limits of a record builder."""
        return Limits(self.max_history, self.candidates, self.max_words, self.list_length)


def build_example(
    view: CorpusView,
    template: Template,
    row: int,
    pool: fewshot.Pool,
    seed: int,
    config: PromptsConfig,
    others: CorpusView | None = None,
) -> tuple[Record, Example]:
    """Builds the record of ``row`` and renders it.

    Args:
        view: the corpus.
        template: the prompt template.
        row: an event row; an item row in item tasks.
        pool: training rows for worked examples.
        seed: seed of the row.
        config: prompt settings.
        others: the corpus of ``pool``; None: ``view``.
    """
    record = TASKS.get(template.task).build(view, row, np.random.default_rng(seed), config.limits)
    if template.after_history:
        return record, replace(render(template, record), past=_past(view, row))
    shots = fewshot.choose(others or view, record, pool, config.shots, seed, config.limits)
    return record, render(template, record, shots)


def _past(view: CorpusView, event: int) -> Past:
    """The events that a prompt about ``event`` may show."""
    log, rows = view.corpus.interactions, view.past(event)
    unknown = np.full(len(rows), np.nan, dtype=np.float32)
    return Past(log.items[rows], unknown if log.ratings is None else log.ratings[rows])


class FamilyExamples(Sequence[Example]):
    """The examples of one family about given rows, in the family's training templates.

    The template and the random choices of the n-th example of an event (or item) depend on its key,
    n and the seed alone.

    Args:
        view: the corpus; examples and their histories use training events alone.
        library: the prompt templates.
        family: its name.
        rows: ``(R,)`` training rows of the family's task.
        seed: seed of every random choice.
        config: prompt settings.
        repeats: ``(R,)`` the number of earlier examples of each row; None: counted here.
    """

    def __init__(
        self,
        view: CorpusView,
        library: PromptLibrary,
        family: str,
        rows: np.ndarray,
        seed: int,
        config: PromptsConfig,
        repeats: np.ndarray | None = None,
    ) -> None:
        self.view, self.family, self.rows, self.seed, self.config = view, family, rows, seed, config
        task = TASKS.get(library.family(family).task)
        self._templates = library.fitting(family, view, held_out=False)
        self._pool, self._keys = fewshot.Pool.of(view, task.name), task.keys(view)
        self._repeats = occurrence(rows) if repeats is None else repeats

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> Example:  # type: ignore[override]
        row = int(self.rows[i])
        names = (self.family, int(self._repeats[i]), int(self._keys[row]))
        seed = derive_seed(self.seed, "example", *names)
        template = self._templates[seed % len(self._templates)]
        return build_example(self.view, template, row, self._pool, seed, self.config)[1]


class ExampleSource(Sequence[Example]):
    """``length`` examples from families sampled by weight, in the training templates.

    A family goes through all its rows in a seeded order before it repeats one. The family of
    example ``i`` depends on ``(seed, i)`` alone. The template and the random choices of the n-th
    prompt of an event (or item) depend on its key, n and the seed alone, and so does the order of
    events.

    Args:
        view: the corpus; examples and their histories use training events alone.
        library: the prompt templates.
        weights: family → sampling weight.
        length: number of examples.
        seed: seed of every random choice.
        config: prompt settings.

    Raises:
        UserError: one line per family that is unknown, has no training template that fits the
            data, or needs data that the corpus lacks.
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
        if errors := [reason for reason in reasons if reason]:
            raise UserError(*errors)
        if min(weights.values(), default=0) < 0 or not sum(weights.values()):
            raise UserError(
                f"expected a family weight above 0 and none below, got {dict(weights)}; change them"
            )
        shares = np.array([weights[f] for f in self.families], dtype=np.float64)
        points = derive_rng(seed, "families").random(length)
        self._family = np.searchsorted(np.cumsum(shares / shares.sum())[:-1], points, side="right")
        self._index = occurrence(self._family)
        counts = np.bincount(self._family, minlength=len(self.families)).tolist()
        self._examples = [
            self._of_family(library, family, count)
            for family, count in zip(self.families, counts, strict=True)
        ]

    def __len__(self) -> int:
        return len(self._family)

    def __getitem__(self, i: int) -> Example:  # type: ignore[override]
        return self._examples[int(self._family[i])][int(self._index[i])]

    def _of_family(self, library: PromptLibrary, family: str, count: int) -> FamilyExamples:
        pool = fewshot.Pool.of(self.view, library.family(family).task)
        repeats = np.arange(count) // len(pool.rows)
        orders = [
            pool.rows[by_key(pool.keys, self.seed, "order", family, n)]
            for n in range(-(-count // len(pool.rows)))
        ]
        rows = np.concatenate([pool.rows[:0], *orders])[:count]
        return FamilyExamples(self.view, library, family, rows, self.seed, self.config, repeats)


def unavailable(library: PromptLibrary, family: str, view: CorpusView) -> str | None:
    """The reason why the family cannot train on this corpus, or None."""
    reason = TASKS.get(library.family(family).task).unavailable(view)
    if reason is None and not library.fitting(family, view, held_out=False):
        return f"{family}: every training template uses a field that the data lack"
    return reason
