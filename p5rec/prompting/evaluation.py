"""Evaluation examples: named wordings posed about the events of one part."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import numpy as np

from p5rec.core.errors import UserError
from p5rec.core.examples import Example
from p5rec.tasks.fields import Record
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView

from . import fewshot
from .library import PromptLibrary
from .source import PromptsConfig, pose


class EvaluationSource(Sequence[Example]):
    """Every row in every wording: row-major, so ``rows[i // len(templates)]`` is posed at ``i``.

    A row's draws (candidates, worked examples, the item of a yes/no question) are the same in each
    wording and under any choice of rows: they depend on the row's key and the seed.

    Args:
        view: the corpus.
        library: the wordings.
        family: the family to pose.
        part: ``train``, ``valid`` or ``test``.
        template_ids: wordings, by id; the first seen one that fits by default.
        seed: of every draw.
        config: how much is shown.

    Attributes:
        rows: ``(R,)`` the rows that are posed: all that the task has in the part.
        templates: the wordings.

    Raises:
        UserError: the family or a wording is unknown, or the data cannot offer what it needs.
    """

    def __init__(
        self,
        view: CorpusView,
        library: PromptLibrary,
        family: str,
        split_name: str,
        *,
        template_ids: Sequence[str] = (),
        seed: int = 0,
        config: PromptsConfig | None = None,
    ) -> None:
        self.view, self.seed, self.config = view, seed, config or PromptsConfig()
        spec = library.family(family)
        task = TASKS.get(spec.task)
        if reason := task.unavailable(view, split_name):
            raise UserError(reason)
        fitting = {t.id: t for t in library.fitting(family, view)}
        wanted = [library.get(name) for name in template_ids] or [
            t for t in fitting.values() if not t.unseen
        ][:1]
        faults = [
            f"expected a wording of family {family!r} that the data can fill, got {t.full_id}; "
            "choose another"
            for t in wanted
            if t.id not in fitting
        ]
        if faults or not wanted:
            raise UserError(*faults or [f"{family}: no wording fits the data"])
        self.templates = tuple(wanted)
        self.rows = task.rows(view, split_name)
        self._task = spec.task
        self._pool = fewshot.Pool.of(view, spec.task)

    def only(self, rows: np.ndarray) -> EvaluationSource:
        """The same about those of its rows that are among ``rows``."""
        found = copy(self)
        found.rows = self.rows[np.isin(self.rows, rows)]
        return found

    def __len__(self) -> int:
        return len(self.rows) * len(self.templates)

    def __getitem__(self, i: int) -> Example:  # type: ignore[override]
        return self._pose(i)[1]

    @property
    def keys(self) -> np.ndarray:
        """Of each example, ``(len,)`` uint64: the key of the event or item that it is about."""
        return TASKS.get(self._task).keys(self.view)[self.rows].repeat(len(self.templates))

    def record(self, i: int) -> Record:
        """The record behind example ``i``: its candidates and every field's value."""
        return self._pose(i)[0]

    def _pose(self, i: int) -> tuple[Record, Example]:
        if not -len(self) <= i < len(self):
            raise IndexError(i)
        at, which = divmod(i % len(self), len(self.templates))
        row = int(self.rows[at])
        seed = TASKS.get(self._task).seed(self.view, row, self.seed)
        return pose(self.view, self.templates[which], row, self._pool, seed, self.config)
