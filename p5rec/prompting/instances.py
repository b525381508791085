"""Test instances: chosen prompt templates rendered for the events of one split."""

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
from .source import PromptsConfig, build_example


class EvaluationSource(Sequence[Example]):
    """Every row in every template, row-major: example ``i`` renders ``rows[i // len(templates)]``.

    The random choices of a row (candidates, worked examples, the item of a yes/no prompt) depend
    on the row's key and the seed alone. They are the same in every template and for any selection
    of rows.

    Args:
        view: the corpus.
        library: the prompt templates.
        family: the prompt family to render.
        split_name: ``train``, ``valid`` or ``test``.
        template_ids: templates by id; by default the first training template that fits the data.
        seed: seed of every random choice.
        config: prompt settings.

    Attributes:
        rows: ``(R,)`` the rendered rows: all rows of the task in the split.
        templates: the prompt templates.

    Raises:
        UserError: the family or a template is unknown, or the data lack a field that it needs.
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
            t for t in fitting.values() if not t.held_out
        ][:1]
        errors = [
            f"expected a template of family {family!r} that the data can fill, got {t.full_id}; "
            "choose another"
            for t in wanted
            if t.id not in fitting
        ]
        if errors or not wanted:
            raise UserError(*errors or [f"{family}: no template fits the data"])
        self.templates = tuple(wanted)
        self.rows = task.rows(view, split_name)
        self._task = spec.task
        self._pool = fewshot.Pool.of(view, spec.task)

    def select(self, rows: np.ndarray) -> EvaluationSource:
        """A copy with the rows that are in ``rows``."""
        selected = copy(self)
        selected.rows = self.rows[np.isin(self.rows, rows)]
        return selected

    def __len__(self) -> int:
        return len(self.rows) * len(self.templates)

    def __getitem__(self, i: int) -> Example:  # type: ignore[override]
        return self._build(i)[1]

    @property
    def keys(self) -> np.ndarray:
        """``(len,)`` uint64: the key of each example's event or item."""
        return TASKS.get(self._task).keys(self.view)[self.rows].repeat(len(self.templates))

    def record(self, i: int) -> Record:
        """The record of example ``i``: its candidates and the value of every field."""
        return self._build(i)[0]

    def _build(self, i: int) -> tuple[Record, Example]:
        if not -len(self) <= i < len(self):
            raise IndexError(i)
        at, which = divmod(i % len(self), len(self.templates))
        row = int(self.rows[at])
        seed = TASKS.get(self._task).seed(self.view, row, self.seed)
        return build_example(self.view, self.templates[which], row, self._pool, seed, self.config)
