"""Ways to find items for a query, behind one port.

The port is :class:`p5rec.tasks.dialogues.dialogue.Retriever`.

b queries, N items, d width of the vectors, V values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from p5rec.data.text_index import TextIndex
from p5rec.decode.allowed import Allowed
from p5rec.tasks.dialogues.dialogue import AttributeSearch, Query, Retriever
from p5rec.tasks.topics import Topics

from ..elm.concepts import FEWEST, concept_direction
from .catalogue import DialogueCatalogue

WRITTEN = 10  # titles that the language model writes for a query


def words(query: Query, topics: Topics) -> str:
    """A query as text: the wanted values, then the user's words if they name nothing to avoid."""
    wanted = [topics.values[n] for n in query.state.wanted]
    return " ".join([*wanted, "" if query.state.avoided else query.utterance]).strip()


@dataclass(frozen=True, eq=False)
class TextSearch:
    """BM25 over the items' texts.

    Attributes:
        topics: the values.
        index: of the items' texts.
    """

    topics: Topics
    index: TextIndex

    @classmethod
    def of(cls, catalogue: DialogueCatalogue) -> TextSearch:
        """The search in the texts of a catalogue."""
        return cls(catalogue.topics, TextIndex(catalogue.texts))

    def relevance(self, queries: Sequence[Query]) -> np.ndarray:
        """See :class:`p5rec.tasks.dialogues.dialogue.Retriever`."""
        return self.index.scores([words(each, self.topics) for each in queries])


@dataclass(frozen=True, eq=False)
class VectorSearch:
    """A dual encoder: cosine of the query's and the items' text vectors.

    Attributes:
        topics: the values.
        vectors: ``(N, d)`` unit vectors of the items' texts, 0 where unknown.
        encode: b texts → ``(b, d)``.
    """

    topics: Topics
    vectors: np.ndarray
    encode: Callable[[Sequence[str]], np.ndarray]

    def relevance(self, queries: Sequence[Query]) -> np.ndarray:
        """See :class:`p5rec.tasks.dialogues.dialogue.Retriever`."""
        asked = self.encode([words(each, self.topics) or "anything" for each in queries])
        return np.asarray(asked @ self.vectors.T, np.float32)


@dataclass(frozen=True, eq=False)
class ConceptSearch:
    """Items far along the directions of wanted values, and against those of avoided ones.

    Attributes:
        topics: the values.
        vectors: ``(N, d)`` of the items, 0 where unknown.
    """

    topics: Topics
    vectors: np.ndarray

    @cached_property
    def along(self) -> np.ndarray:
        """``(V, N)``: where the items lie on each value's direction, standardised."""
        places = np.zeros((len(self.topics.values), len(self.vectors)), dtype=np.float32)
        known = self.vectors.any(axis=1)
        for value, has in enumerate(self.topics.has.T):
            if min(has[known].sum(), (~has[known]).sum()) >= FEWEST:
                own = self.vectors @ concept_direction(self.vectors[known], has[known])
                places[value] = (own - own[known].mean()) / (own[known].std() or 1.0)
        return places

    def relevance(self, queries: Sequence[Query]) -> np.ndarray:
        """See :class:`p5rec.tasks.dialogues.dialogue.Retriever`."""
        signs = np.zeros((len(queries), len(self.topics.values)), dtype=np.float32)
        for row, query in zip(signs, queries, strict=True):
            row[query.state.wanted], row[query.state.avoided] = 1, -1
        return signs @ self.along


class TitleSearch:
    """Titles that the language model writes after the query; it can write no other texts.

    Args:
        bundle: the model, ready to predict.
        catalogue: the items.
        batch_tokens: prompt tokens read together, padding included.
    """

    def __init__(self, bundle: Any, catalogue: DialogueCatalogue, batch_tokens: int) -> None:
        from p5rec.models.title_lines import title_lines
        from p5rec.tasks.item_names import titles_as_ids

        self.bundle, self.topics, self.batch_tokens = bundle, catalogue.topics, batch_tokens
        names = titles_as_ids(catalogue.titles, bundle.literal)
        self.n_items, self.titles = len(names), title_lines(bundle.tokenizer, names)

    def relevance(self, queries: Sequence[Query]) -> np.ndarray:
        """See :class:`p5rec.tasks.dialogues.dialogue.Retriever`: of the n-th title 1 / n."""
        from p5rec.recommend.title_lists import write_lists

        texts = [f"Titles for: {words(each, self.topics) or 'anything'}\n" for each in queries]
        tokenizer = self.bundle.tokenizer
        prompts = [np.asarray(tokenizer(text)["input_ids"], dtype=np.int64) for text in texts]
        lists = write_lists(
            self.bundle, prompts, self.titles, min(WRITTEN, self.n_items), Allowed(),
            batch_tokens=self.batch_tokens,
        )  # fmt: skip
        scores = np.zeros((len(queries), self.n_items), dtype=np.float32)
        for row, items in zip(scores, lists.items, strict=True):
            found = items[items >= 0]
            row[found] = 1 / (1 + np.arange(len(found)))
        return scores


@dataclass(frozen=True, eq=False)
class Sources:
    """What a retriever is made of.

    Attributes:
        catalogue: the items.
        vectors: ``(N, d)`` of the items' texts, 0 where unknown; None: there are none.
        encode: b texts → ``(b, d)``.
        bundle: the language model; None: not opened.
        batch_tokens: of its prompts.
    """

    catalogue: DialogueCatalogue
    vectors: np.ndarray | None
    encode: Callable[[Sequence[str]], np.ndarray]
    bundle: Any
    batch_tokens: int


RETRIEVERS: Mapping[str, Callable[[Sources], Retriever]] = {
    "attributes": lambda own: AttributeSearch(own.catalogue.topics),
    "text": lambda own: TextSearch.of(own.catalogue),
    "vectors": lambda own: VectorSearch(own.catalogue.topics, _unit(own.vectors), own.encode),
    "concepts": lambda own: ConceptSearch(own.catalogue.topics, _unit(own.vectors)),
    "titles": lambda own: TitleSearch(own.bundle, own.catalogue, own.batch_tokens),
}


def _unit(vectors: np.ndarray | None) -> np.ndarray:
    assert vectors is not None, "checked in the settings"
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(norms > 0, norms, 1), np.float32)
