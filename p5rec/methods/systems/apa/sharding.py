"""Divides the examples of APA into shards, in files of their own. R examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import combined, keyed, others, sampled, uniform
from p5rec.core.types import Corpus
from p5rec.data.click_instances import click_instances
from p5rec.data.earlier_events import EarlierEvents

from ...needs import Inputs
from .examples import Examples, prompts_of
from .partition import embedded_shards, keyed_shards
from .reading import open_reader
from .settings import VALIDATION, ApaSettings, PromptText, shard_name


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
