"""The training and validation examples of APA, and their files.

An example shows the latest events of a user and asks about the next one. Its key is that of its
target event (with the label, where negatives are sampled). R examples.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage, read_json
from p5rec.core.atomic import atomic_write
from p5rec.core.types import Histories
from p5rec.prompting.template import fill

from .settings import PromptText

FILE = "examples.json"
NOTHING = "nothing"  # no event has this label
WORDS = ("no", "yes")  # the answers, by label


@dataclass(frozen=True, eq=False)
class Examples:
    """R examples, by ascending key.

    Attributes:
        keys: ``(R,)`` uint64, unique.
        users: ``(R,)`` uint64, the keys of the users.
        prompts: R texts.
        titles: R titles of the items in question.
        labels: ``(R,)`` int8, 1 liked or 0 not.
        events: the keys of the training events that each example shows or asks about, uint64.
    """

    keys: np.ndarray
    users: np.ndarray
    prompts: Sequence[str]
    titles: Sequence[str]
    labels: np.ndarray
    events: Sequence[np.ndarray]

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, rows: np.ndarray) -> Examples:
        """The examples ``rows``, in that order."""
        return Examples(
            self.keys[rows],
            self.users[rows],
            [self.prompts[row] for row in rows],
            [self.titles[row] for row in rows],
            self.labels[rows],
            [self.events[row] for row in rows],
        )

    @property
    def lineage(self) -> Lineage:
        """All training events in them."""
        return Lineage(np.concatenate([np.zeros(0, np.uint64), *self.events]))

    def save(self, folder: Path) -> None:
        """Writes :data:`FILE`; equal examples give equal bytes."""
        columns = {
            "keys": self.keys.tolist(),
            "users": self.users.tolist(),
            "prompts": list(self.prompts),
            "titles": list(self.titles),
            "labels": self.labels.tolist(),
            "events": [each.tolist() for each in self.events],
        }
        with atomic_write(folder / FILE) as handle:
            json.dump(columns, handle, ensure_ascii=False)

    @classmethod
    def read(cls, folder: Path) -> Examples:
        """The examples that :meth:`save` wrote.

        Raises:
            UserError: the file is missing or damaged.
        """
        columns = read_json(folder / FILE)
        return cls(
            np.array(columns["keys"], np.uint64),
            np.array(columns["users"], np.uint64),
            columns["prompts"],
            columns["titles"],
            np.array(columns["labels"], np.int8),
            [np.array(each, np.uint64) for each in columns["events"]],
        )


def prompts_of(
    histories: Histories, items: np.ndarray, text: PromptText, titles: Sequence[str]
) -> list[str]:
    """The prompts of B requests about ``items (B,)``.

    Args:
        histories: the requests; more than the latest events are not read.
        text: the form of a prompt.
        titles: ``(N,)`` of the items.
    """
    read = histories.tail(text.history)
    disliked = np.zeros(len(read.items), bool) if read.labels is None else read.labels == 0
    prompts = []
    for row, item in enumerate(items.tolist()):
        own = slice(read.offsets[row], read.offsets[row + 1])
        shown, against = read.items[own], disliked[own]
        words = {
            "liked": _listed(shown[~against], titles),
            "disliked": _listed(shown[against], titles),
            "title": titles[item],
        }
        prompts.append(fill(text.text, words))
    return prompts


def _listed(items: np.ndarray, titles: Sequence[str]) -> str:
    return ", ".join(titles[item] for item in items) or NOTHING
