"""The training and validation examples of APA, in files of their own: one for each shard.

An example shows the latest events of a user and asks about the next one. Its key is that of its
target event (with the label, where negatives are sampled). R examples.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage, read_json
from p5rec.core.atomic import atomic_write
from p5rec.core.rng import combined, keyed, others, sampled, uniform
from p5rec.core.types import Corpus, Histories
from p5rec.data.click_instances import click_instances
from p5rec.data.earlier_events import EarlierEvents
from p5rec.prompting.template import fill

from ...needs import Inputs
from .partition import embedded_shards, keyed_shards
from .settings import VALIDATION, ApaSettings, PromptText, shard_name

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
        labels: ``(R,)`` int8, 1 liked or 0 not.
        events: the keys of the training events that each example shows or asks about, uint64.
    """

    keys: np.ndarray
    users: np.ndarray
    prompts: Sequence[str]
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
            np.array(columns["labels"], np.int8),
            [np.array(each, np.uint64) for each in columns["events"]],
        )


def write_parts(
    method: ApaSettings, seed: int, corpus: Corpus, inputs: Inputs, folder: Path
) -> Lineage:
    """Writes the examples of each shard and those of validation into folders of their own.

    Args:
        method: the settings.
        seed: of draws, the semantic partition, and random weights.
        corpus: the data.
        inputs: none.
        folder: receives the parts.
    """
    titles = corpus.catalog.titles
    examples = _examples(corpus, "train", method.prompt, seed, titles)
    if method.example_share < 1:
        drawn = uniform(keyed(examples.keys, seed, "shown examples")) < method.example_share
        examples = examples.take(np.flatnonzero(drawn))
    shard_of = _shards(method, examples, seed)
    for shard in range(method.shards):
        part = examples.take(np.flatnonzero(shard_of == shard))
        if method.permuted and len(part) > 1:
            other = others(part.keys, seed, "permuted labels")
            part = replace(part, labels=part.labels[other])
        _save(part, folder / shard_name(shard))
    held_out = _examples(corpus, "valid", method.prompt, seed, titles)
    chosen = sampled(held_out.keys, method.validation, seed, "validation examples")
    _save(held_out.take(chosen), folder / VALIDATION)
    return examples.lineage


def _save(examples: Examples, folder: Path) -> None:
    folder.mkdir()
    examples.save(folder)


def _shards(method: ApaSettings, examples: Examples, seed: int) -> np.ndarray:
    """``(R,)`` the shard of each example."""
    if method.shards == 1 or not len(examples):
        return np.zeros(len(examples), np.int64)
    if method.partition != "semantic":
        return keyed_shards(method.partition, examples, method.shards, seed)
    from .reading import open_reader

    reader = open_reader(method, seed, download=True)
    embeddings = reader.embeddings(reader.tokens(examples.prompts))
    return embedded_shards(embeddings, method.shards, seed)


def _examples(
    corpus: Corpus, split_name: str, text: PromptText, seed: int, titles: Sequence[str]
) -> Examples:
    """The examples of the labelled events of a split."""
    log, split = corpus.interactions, corpus.split
    instances = click_instances(corpus, split_name, seed, text.history)
    own = log.event_keys[instances.events]
    keys = combined(own, instances.labels.astype(np.uint64)) if instances.sampled else own
    before, offsets = EarlierEvents(log, split).before(
        instances.events, all_earlier=True, most=text.history
    )
    train = split.mask("train")
    shown = [
        log.event_keys[rows[train[rows]]]
        for rows in map(np.append, np.split(before, offsets[1:-1]), instances.events)
    ]
    order = np.argsort(keys, kind="stable")
    prompts = prompts_of(instances.histories, instances.items, text, titles)
    found = Examples(keys, log.user_keys[instances.users], prompts, instances.labels, shown)
    return found.take(order)


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
