"""The cost of a recipe's texts and vectors, counted before anything is written or encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from p5rec.backbones.vectors_config import StoredVectorsConfig
from p5rec.core.types import Corpus
from p5rec.data.entity_texts import item_texts, training_reviews, user_texts
from p5rec.recommend.writing.config import TextsConfig


@dataclass(frozen=True)
class StoredPlan:
    """What a section asks of a language model or an encoder.

    Attributes:
        texts: that are written, or encoded.
        of: ``items``, ``users`` or ``events``.
        by: the generator or the encoder.
        tokens: most tokens that are written, or read, of each; None: unknown.
    """

    texts: int
    of: str
    by: str
    tokens: int | None = None

    def dump(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    def lines(self) -> list[str]:
        """As lines of text."""
        most = "" if self.tokens is None else f", at most {self.tokens:,} tokens each"
        return [f"  {self.texts:,} texts about {self.of} by {self.by}{most}"]


def stored_plans(
    texts: Mapping[str, TextsConfig], vectors: Mapping[str, StoredVectorsConfig], corpus: Corpus
) -> dict[str, StoredPlan]:
    """The plans of sections, by ``texts NAME`` and ``vectors NAME``.

    Vectors of a file are read, and permuted ones are copied: neither has a plan.

    Args:
        texts, vectors: the recipe's sections.
        corpus: the data.
    """
    written = {name: _written(section, corpus) for name, section in texts.items()}
    plans = {f"texts {name}": plan for name, plan in written.items()}
    for name, section in vectors.items():
        if section.file is None and not section.permuted:
            of, count = _encoded(section, written, corpus)
            plan = StoredPlan(count, of, section.encoder, section.max_tokens)
            plans[f"vectors {name}"] = plan
    return plans


def _written(section: TextsConfig, corpus: Corpus) -> StoredPlan:
    every = len(corpus.catalog) if section.of == "items" else len(corpus.user_ids)
    count = every if section.sample is None else min(every, section.sample)
    most = getattr(section.generator, "max_new_tokens", None)
    return StoredPlan(count, section.of, section.generator.kind, most)


def _encoded(
    section: StoredVectorsConfig, written: Mapping[str, StoredPlan], corpus: Corpus
) -> tuple[str, int]:
    """What the encoded texts are about, and how many there are."""
    match section.source:
        case "texts":
            plan = written[str(section.texts)]
            return plan.of, plan.texts
        case "reviews":
            return "events", len(training_reviews(corpus)[0])
    if section.metadata == "users":
        return "users", sum(map(bool, user_texts(corpus.users, section.attributes)))
    return "items", sum(map(bool, item_texts(corpus.catalog, section.attributes)))
