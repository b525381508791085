"""How many shards of APA a request to forget touches, under each partition; nothing is trained.

python scripts/shards_touched.py apa [--requests 30] [--shards 4]

The data and the method ``apa`` are those of a config. A request removes one training event, or all
events of one user, each drawn at random among those that an example shows. A shard is touched if
its examples differ from those before; its adapter is then retrained. The last column is the share
of all prompts' words that are read again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from p5rec.core.config import load as load_config
from p5rec.core.paths import assets
from p5rec.core.recipes import config_path, load
from p5rec.core.rng import derive_rng
from p5rec.core.types import Corpus
from p5rec.data.build import build
from p5rec.methods.registry import methods_of
from p5rec.methods.systems.apa.reading import open_reader
from p5rec.methods.systems.apa.sharding import shards_of, training_examples

PARTITIONS = ("strict", "user", "items", "random", "semantic")
RECIPE = "sft.py"


class Embedder:
    """Embeds prompts, each once.

    Args:
        method: the settings.
        seed: of random weights.
    """

    def __init__(self, method: Any, seed: int) -> None:
        self.reader, self.known = open_reader(method, seed, download=True), dict[str, np.ndarray]()

    def __call__(self, prompts: Sequence[str]) -> np.ndarray:
        """``(R, D)`` the embeddings of R prompts."""
        new = [*dict.fromkeys(prompt for prompt in prompts if prompt not in self.known)]
        if new:
            found = self.reader.embeddings(self.reader.tokens(new))
            self.known |= dict(zip(new, found, strict=True))
        return np.stack([self.known[prompt] for prompt in prompts])


def parts(method: Any, corpus: Corpus, embed: Embedder) -> list[tuple[str, ...]]:
    """What the adapter of each shard reads."""
    examples = training_examples(method, corpus, 0)
    shards = shards_of(method, examples, corpus.catalog.titles, 0, embed)
    rows = np.array(
        [
            f"{key} {label} {prompt} {events.tolist()}"
            for key, label, prompt, events in zip(
                examples.keys, examples.labels, examples.prompts, examples.events, strict=True
            )
        ],
        dtype=object,
    )
    return [tuple(rows[shards == shard]) for shard in range(method.shards)]


def without(corpus: Corpus, events: np.ndarray) -> Corpus:
    """The corpus without ``events``; the split of the others stays."""
    kept = np.setdiff1d(np.arange(len(corpus.interactions)), events)
    split = replace(corpus.split, of_event=corpus.split.of_event[kept])
    return replace(corpus, interactions=corpus.interactions.take(kept), split=split)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("config")
    parser.add_argument("--requests", type=int, default=30)
    parser.add_argument("--shards", type=int)
    options = parser.parse_args()
    cfg = load_config(config_path(options.config), load(assets("recipes") / RECIPE).SCHEMA)
    corpus, method = build(cfg.data)[0], methods_of(cfg)["apa"]
    if options.shards:
        method = method.model_copy(update={"shards": options.shards})
    embed, log = Embedder(method, 0), corpus.interactions
    shown = np.flatnonzero(training_examples(method, corpus, 0).lineage.contains(log.event_keys))
    rng = derive_rng(0, "shards touched")
    single = rng.permutation(shown)[: options.requests]
    users = rng.permutation(np.unique(log.users[shown]))[: options.requests]
    requests = {
        "event": [np.array([event]) for event in single],
        "user": [np.flatnonzero(log.users == user) for user in users],
    }
    print("| partition | request | shards touched | most | share of words read again |")
    print("|---|---|---:|---:|---:|")
    for partition in PARTITIONS:
        own = method.model_copy(update={"partition": partition})
        before = parts(own, corpus, embed)
        words = sum(len(row.split()) for part in before for row in part)
        for kind, removed in requests.items():
            counts, read = [], []
            for events in removed:
                after = parts(own, without(corpus, events), embed)
                touched = [a for a, b in zip(after, before, strict=True) if a != b]
                counts.append(len(touched))
                read.append(sum(len(row.split()) for part in touched for row in part) / words)
            print(
                f"| {partition} | {kind} | {np.mean(counts):.2f} of {method.shards} | "
                f"{max(counts)} | {np.mean(read):.2f} |", flush=True,
            )  # fmt: skip


if __name__ == "__main__":
    main()
