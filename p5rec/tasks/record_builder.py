"""Builds the record of one data row from groups of fields that several tasks share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .fields import Record, Value
from .view import CorpusView, decimal

HISTORY = ("history", "history_titles", "history_both", "last", "last_title")
LIKED = ("liked", "liked_titles", "liked_both", "taste")
CHOICE = ("candidates", "candidate_titles", "options", "title_options")
ITEM = ("item", "title", "attributes", "fact")
USER = ("user_attributes",)
STARS = ("stars", "lowest", "highest")
RATED = ("rated_titles", "rated_items", "lowest", "highest")


@dataclass(frozen=True)
class Limits:
    """Length limits of a record.

    Attributes:
        max_history: most earlier items; the most recent ones are used.
        candidates: number of candidate items, the target included.
        list_length: most items of a list.
        max_words: most words of a review, an explanation or an attribute text.
    """

    max_history: int = 10
    candidates: int = 10
    max_words: int = 100
    list_length: int = 5

    def cut(self, text: str) -> str:
        """The first ``max_words`` words."""
        words = text.split()
        return text if len(words) <= self.max_words else " ".join(words[: self.max_words])


def _ids(view: CorpusView, items: Sequence[int]) -> tuple[str, ...]:
    return tuple(view.names.ids[i] for i in items)


def _titles(view: CorpusView, items: Sequence[int]) -> tuple[str, ...]:
    return tuple(view.names.titles[i] for i in items)


def _both(view: CorpusView, items: Sequence[int]) -> tuple[tuple[str, str], ...]:
    return tuple(zip(_ids(view, items), _titles(view, items), strict=True))


@dataclass
class RecordBuilder:
    """Collects field values for one row, and the items that they mention."""

    view: CorpusView
    limits: Limits
    values: dict[str, Value] = field(default_factory=dict)
    mentions: set[int] = field(default_factory=set)

    def item(self, item: int) -> None:
        """Adds the fields ``ITEM``."""
        self.values |= {
            "item": self.view.names.ids[item],
            "title": self.view.names.titles[item],
            "attributes": self.limits.cut(self.view.attribute_text(item)),
            "fact": self.limits.cut(self.view.fact(item)),
        }
        self.mentions.add(item)

    def history(self, past: np.ndarray) -> np.ndarray:
        """Adds the fields ``HISTORY``; returns the event rows that they show, oldest first.

        Args:
            past: the event rows of the whole history, oldest first.
        """
        past = past[-self.limits.max_history :]
        items = self.view.corpus.interactions.items[past].tolist()
        ids, titles = _ids(self.view, items), _titles(self.view, items)
        self.values |= {
            "history": ids,
            "history_titles": titles,
            "history_both": tuple(zip(ids, titles, strict=True)),
            "last": ids[-1] if ids else "",
            "last_title": titles[-1] if titles else "",
        }
        self.mentions.update(items)
        return past

    def rated(self, events: np.ndarray) -> None:
        """Adds the fields ``RATED``: the ``events`` with a rating, if the corpus has ratings."""
        log, scale = self.view.corpus.interactions, self.view.scale
        if scale is None or log.ratings is None:
            return
        rated = events[self.view.rated[events]]
        scores = [format(float(rating), "g") for rating in log.ratings[rated]]
        items = log.items[rated].tolist()
        self.values |= {
            "rated_titles": tuple(zip(_titles(self.view, items), scores, strict=True)),
            "rated_items": tuple(zip(_ids(self.view, items), scores, strict=True)),
            "lowest": scale.low,
            "highest": scale.high,
        }

    def liked(self, past: np.ndarray, rng: np.random.Generator) -> list[int]:
        """Adds the fields ``LIKED``; returns the items, most recent first.

        If the user liked no item yet, the fields contain the whole history.

        Args:
            past: the event rows of the history, oldest first.
            rng: of the order of the items.
        """
        best = past[self.view.liked[past]]
        chosen = (best if len(best) else past)[-self.limits.max_history :]
        recent = self.view.corpus.interactions.items[chosen][::-1].tolist()
        items = rng.permutation(recent).tolist()
        traits = [t for i in items for t in self.view.traits[i] if not t.startswith("from ")]
        common = sorted(set(traits), key=lambda t: (-traits.count(t), t))[:3]
        self.values |= {
            "liked": _ids(self.view, items),
            "liked_titles": _titles(self.view, items),
            "liked_both": _both(self.view, items),
            "taste": ", ".join(common),
        }
        self.mentions.update(items)
        return recent

    def choice(self, event: int, target: int, rng: np.random.Generator) -> tuple[int, ...]:
        """Adds the fields ``CHOICE``: the target and sampled negatives, shuffled."""
        negatives = self.view.sample_negatives(event, self.limits.candidates - 1, rng)
        items = tuple(rng.permutation([target, *negatives]).tolist())
        self.values |= {
            "candidates": _ids(self.view, items),
            "candidate_titles": _titles(self.view, items),
            "options": _both(self.view, items),
            "title_options": _titles(self.view, items),
        }
        self.mentions.update(items)
        return items

    def target(self, item: int) -> None:
        """Adds the target item."""
        self.values |= {
            "target": self.view.names.ids[item],
            "target_title": self.view.names.titles[item],
        }
        self.mentions.add(item)

    def ratings(self, event: int) -> None:
        """Adds the fields ``STARS`` if the corpus has ratings."""
        log, scale = self.view.corpus.interactions, self.view.scale
        if scale is not None and log.ratings is not None:
            rating = decimal(log.ratings[event])
            self.values |= {
                "stars": rating if np.isfinite(rating) else "",
                "lowest": scale.low,
                "highest": scale.high,
            }

    def record(self, task: str, event: int, item: int) -> Record:
        """The finished record of an event; adds the fields ``USER``."""
        user = int(self.view.corpus.interactions.users[event])
        self.values["user_attributes"] = self.limits.cut(self.view.user_attribute_text(user))
        return Record(task, self.values, user, item, event, mentions=frozenset(self.mentions))
