"""Divides the examples of APA into shards, in files of their own. R examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from p5rec.core.artefacts import Lineage
from p5rec.core.rng import combined, keyed, others, sampled, uniform
from p5rec.core.types import Corpus
from p5rec.data.click_instances import click_instances
from p5rec.data.earlier_events import EarlierEvents

from ...baselines.fitting import seeded
from ...needs import Inputs
from .examples import Examples, prompts_of
from .partition import embedded_shards, keyed_shards, titled_shards
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
    examples = training_examples(method, corpus, seed)
    embed = partial(_embeddings, method, seed)
    shard_of = shards_of(method, examples, corpus.catalog.titles, seed, embed)
    for shard in range(method.shards):
        part = examples.take(np.flatnonzero(shard_of == shard))
        if method.permuted and len(part) > 1:
            other = others(part.keys, seed, "permuted labels")
            part = replace(part, labels=part.labels[other])
        _save(part, folder / shard_name(shard))
    sample = partial(_sample, method.validation, seed)
    held_out = _examples(corpus, "valid", method.prompt, seed, sample)
    _save(held_out, folder / VALIDATION)
    return examples.lineage


def _sample(count: int, seed: int, keys: np.ndarray) -> np.ndarray:
    return sampled(keys, count, seed, "validation examples")


def training_examples(method: ApaSettings, corpus: Corpus, seed: int) -> Examples:
    """The labelled training events as examples, or a share of them, each drawn by its own key."""

    def drawn(keys: np.ndarray) -> np.ndarray:
        return np.flatnonzero(uniform(keyed(keys, seed, "shown examples")) < method.example_share)

    return _examples(corpus, "train", method.prompt, seed, drawn)


def shards_of(
    method: ApaSettings,
    examples: Examples,
    titles: Sequence[str],
    seed: int,
    embed: Callable[[Sequence[str]], np.ndarray],
) -> np.ndarray:
    """``(R,)`` int64 the shard of each example.

    Args:
        method: the settings.
        examples: R examples.
        titles: of the catalogue.
        seed: of the partition.
        embed: texts → ``(n, D)`` float32 unit vectors, for clusters.
    """
    if method.shards == 1 or not len(examples):
        return np.zeros(len(examples), np.int64)
    match method.partition:
        case "semantic":
            return embedded_shards(embed(examples.prompts), method.shards, seed)
        case "items":
            return titled_shards(examples.titles, titles, embed, method.shards, seed)
        case kind:
            return keyed_shards(kind, examples, method.shards, seed)


def _embeddings(method: ApaSettings, seed: int, prompts: Sequence[str]) -> np.ndarray:
    with seeded(seed, "apa"):
        reader = open_reader(method, seed, download=True)
        return reader.embeddings(reader.tokens(prompts))


def _save(examples: Examples, folder: Path) -> None:
    folder.mkdir()
    examples.save(folder)


def _examples(
    corpus: Corpus,
    split_name: str,
    text: PromptText,
    seed: int,
    choose: Callable[[np.ndarray], np.ndarray],
) -> Examples:
    """The examples of labelled events of a split, by ascending key.

    Args:
        choose: keys of all examples → the rows of those that are taken.
    """
    log, split = corpus.interactions, corpus.split
    instances = click_instances(corpus, split_name, seed, text.history)
    keys = log.event_keys[instances.events]
    if instances.sampled:
        keys = combined(keys, instances.labels.astype(np.uint64))
    rows = choose(keys)
    rows = rows[np.argsort(keys[rows], kind="stable")]
    instances = instances.take(rows)
    before, offsets = EarlierEvents(log, split).before(
        instances.events, all_earlier=True, most=text.history
    )
    train = split.mask("train")
    shown = [
        log.event_keys[events[train[events]]]
        for events in map(np.append, np.split(before, offsets[1:-1]), instances.events)
    ]
    titles = corpus.catalog.titles
    return Examples(
        keys[rows],
        log.user_keys[instances.users],
        prompts_of(instances.histories, instances.items, text, titles),
        [titles[item] for item in instances.items],
        instances.labels,
        shown,
    )
