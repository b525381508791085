"""A descent is learned if an item has a likely successor; null: the next item is random."""

from __future__ import annotations

from pathlib import Path
from string import ascii_lowercase

import numpy as np
import pyarrow as pa
import pytest
from fits import Fits
from ladder_records import CheckPlanted
from mean_intervals import paired_means
from tiny_models import some_codes

from p5rec.core.features import Users
from p5rec.core.rng import id_keys
from p5rec.core.types import TEST, TRAIN, VALID, Catalog, Corpus, Interactions, Split
from p5rec.data.split import instances
from p5rec.methods.systems.unillmrec.method import Unillmrec
from p5rec.metrics.intervals import Difference

ITEMS, EVENTS, K = 16, 8, 3
FAMILY = """
family: tiny-tree
task: item-tree
description: Which child of a node is the successor of an item below?
target_type: text
fields: {branches: choices, last_title: title, branch: title}
few_shot: {example: "{source}{target}"}
templates:
  - id: short
    version: 1
    source: |
      {examples}{branches}
      {last_title}
    target: "{branch}"
"""


def world(*, planted: bool, users: int = 250, seed: int = 0) -> Corpus:
    """Leave-one-out over users of :data:`EVENTS` events; titles are letters.

    Args:
        planted: four of five items are followed by the same item each time; else none is.
    """
    rng = np.random.default_rng(seed)
    successor, items = rng.permutation(ITEMS), np.empty((users, EVENTS), dtype=np.int32)
    items[:, 0] = rng.integers(ITEMS, size=users)
    for event in range(1, EVENTS):
        follows = (rng.random(users) < 0.8) & planted
        items[:, event] = np.where(
            follows, successor[items[:, event - 1]], rng.integers(ITEMS, size=users)
        )
    owner = np.repeat(np.arange(users, dtype=np.int32), EVENTS)
    of_event = np.tile([*[TRAIN] * (EVENTS - 2), VALID, TEST], users).astype(np.int8)
    ids, names = ([f"{kind}{n}" for n in range(m)] for kind, m in (("i", ITEMS), ("u", users)))
    log = Interactions(
        owner, items.ravel(), np.tile(np.arange(EVENTS), users), None, id_keys(names),
        id_keys(ids), dated=False,
    )  # fmt: skip
    catalog = Catalog(pa.table({"item": ids, "title": [*ascii_lowercase[:ITEMS]]}))
    return Corpus(log, catalog, Users(pa.table({"user": names})), Split("last", of_event))


def gain(folder: Path, *, planted: bool) -> Difference:
    """HR@3 of the tuned descent minus that of a random one through as many nodes."""
    prompts = folder / "prompts"
    prompts.mkdir(parents=True)
    (prompts / "tiny-tree.yaml").write_text(FAMILY, encoding="utf-8")
    corpus = world(planted=planted)
    fits = Fits.of(corpus, some_codes(ITEMS), folder / "store")
    histories, targets, _ = instances(corpus.interactions, corpus.split, "test")
    hits = []
    for ranker in ("model", "random"):
        method = Unillmrec.model_validate(
            {
                "model": {
                    "backbone": {"kind": "scratch", "width": 48, "layers": 1, "heads": 2,
                                 "feedforward": 64, "dropout": 0.0},
                    "prompts": {"folders": [str(prompts)], "tree": {"width": 4, "titles": 1}},
                    "train": {"tasks": {"tiny-tree": {}}, "steps": 300, "batch": 32,
                              "learning_rate": 0.003, "warmup": 10, "precision": "float32"},
                },
                "template": "tiny-tree.short",
                "beams": 2,
                "ranker": ranker,
            }
        )  # fmt: skip
        fitted = fits.fit(method)
        lists = method.load(fitted.folder).recommend(histories, K, exclude_seen=False)
        hits.append((lists.items == targets[:, None]).any(1).astype(float))
    return paired_means(hits[0], hits[1], histories.users, seed=0)


@pytest.mark.ladder
@pytest.mark.system("unillmrec")
def test_a_tuned_descent_beats_a_random_one(tmp_path: Path, check_planted: CheckPlanted) -> None:
    check_planted(
        "if an item has a likely successor, a tuned descent finds it more often than a random "
        "descent through as many nodes",
        "HR@3",
        planted=gain(tmp_path / "planted", planted=True),
        null=gain(tmp_path / "null", planted=False),
    )
