"""The prompts of texts: one per item or user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from p5rec.core.errors import input_error
from p5rec.core.examples import Example
from p5rec.core.rng import derive_seed
from p5rec.core.types import Corpus
from p5rec.prompting.render import render
from p5rec.prompting.template import Template
from p5rec.tasks.base import Task
from p5rec.tasks.fields import FIELDS, Record
from p5rec.tasks.item_names import ItemNames
from p5rec.tasks.literal import Literal
from p5rec.tasks.view import CorpusView

from .config import TextsConfig


@dataclass(frozen=True, eq=False)
class EntityPrompts:
    """Renders the prompts of one section.

    Attributes:
        config: the section.
        view: the corpus.
        task: the task of the family.
        template: the template of all prompts.
    """

    config: TextsConfig
    view: CorpusView
    task: Task
    template: Template

    @classmethod
    def of(
        cls,
        config: TextsConfig,
        corpus: Corpus,
        escape: Literal,
        notes: Sequence[str | None] = (),
    ) -> EntityPrompts:
        """The prompts of ``config``.

        Args:
            escape: removes control tokens from data.
            notes: ``(U,)`` an earlier text about each user; empty: there are none.

        Raises:
            UserError: no template, or not the chosen one, fits the data.
        """
        spec, task, library = config.open_family()
        rows = [f"<{row}>" for row in range(len(corpus.catalog))]  # no prompt shows an id
        names = ItemNames(rows, corpus.catalog.titles, escape)
        view = CorpusView(corpus, names, factors=config.prompts.read_factors(), notes=notes)
        fitting = library.fitting(spec.family, view)
        if config.template is None:
            chosen = [template for template in fitting if not template.held_out]
        else:
            full_id = library.get(config.template).full_id
            chosen = [template for template in fitting if template.full_id == full_id]
        if not chosen:
            raise input_error(
                config.template or spec.family, "a template that the data can fill", "none",
                "name another template or family",
            )  # fmt: skip
        return cls(config, view, task, chosen[0])

    def example(self, row: int) -> Example | None:
        """The prompt about item or user ``row``; None if the data say nothing about it."""
        key = int(self.task.keys(self.view)[row])
        seed = derive_seed(self.config.seed, "texts", self.template.family, key)
        rng = np.random.default_rng(seed)
        record = self.task.build(self.view, row, rng, self.config.prompts.limits)
        return render(self.template, record) if self._says_something(record) else None

    def _says_something(self, record: Record) -> bool:
        """Whether a field about the item or user has a value, numbers aside."""
        return any(
            FIELDS[name].kind != "number" and bool(record.values[name])
            for name in self.template.source_fields
            if name != "factors"
        )


def family_hashes(config: TextsConfig) -> dict[str, str]:
    """Full id → hash of the templates that may be used; empty without prompts.

    Raises:
        UserError: the family or the template is unknown.
    """
    if not config.generator.prompted:
        return {}
    spec, _, library = config.open_family()
    template = config.template and library.get(config.template).id
    return {
        each.full_id: each.hash
        for each in library.templates(spec.family)
        if template in (None, each.id)
    }
