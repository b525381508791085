"""A catalogue whose items two informative topics tell apart, and two topics that say nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from even_log import even_corpus

from p5rec.core.publishing import copy_or_link
from p5rec.core.rng import derive_rng
from p5rec.core.types import Corpus
from p5rec.methods.base import Method
from p5rec.methods.folder import complete
from p5rec.methods.registry import METHODS

COLOURS = ("amber", "black", "coral", "denim", "ebony", "fawn")
SHAPES = ("arch", "bow", "cone", "disc", "egg", "fan")
SAME = {"maker": "Zed", "seller": "Yard"}  # every item has these


def dialogue_world(
    seed: int = 0, *, items: int = 144, users: int = 150, events: int = 4, null: bool = False
) -> Corpus:
    """Items with a colour, a shape, and the same maker and seller; users take items at random.

    Args:
        null: all items have the same colour and shape, too, so no question tells them apart.
    """
    rng = derive_rng(seed, "dialogue world")
    kind = np.zeros(items, int) if null else np.arange(items) % (len(COLOURS) * len(SHAPES))
    colour, shape = kind // len(SHAPES), kind % len(SHAPES)
    chosen = np.concatenate([rng.permutation(items)[:events] for _ in range(users)])
    columns = {
        "title": [f"Thing {n}" for n in range(items)],
        "colour": [[COLOURS[c]] for c in colour],
        "shape": [[SHAPES[s]] for s in shape],
        **{name: [[value]] * items for name, value in SAME.items()},
    }
    return even_corpus(chosen, users, items, columns)


def fitted(
    method: Method, corpus: Corpus, root: Path, inputs: dict[str, Path] | None = None
) -> Path:
    """The folder that a fit of ``method`` fills, and that of its ranker."""
    for name in ("fit", "ranker", "ranker-files", "ranker-work"):
        (root / name).mkdir(parents=True)
    method.fit(corpus, root / "fit", seed=0, inputs={})
    ranker = method.ranker  # type: ignore[attr-defined]
    ranker.fit(corpus, root / "ranker-files", seed=0, inputs={})
    files = complete(ranker, root / "ranker-files", {}, corpus.catalog, root / "ranker-work")
    copy_or_link(files, root / "ranker" / "model")
    return root


def opened(method: Method, corpus: Corpus, root: Path, vectors: Path | None = None) -> Any:
    """The predictor of ``method`` with the fit in ``root``; settings of queries may differ."""
    number = len(list(root.glob("model-*")))
    work, out = root / f"work-{number}", root / f"model-{number}"
    work.mkdir()
    inputs = {"ranker": root / "ranker" / "model"} | ({"vectors": vectors} if vectors else {})
    files = complete(method, root / "fit", inputs, corpus.catalog, work)
    copy_or_link(files, out)
    return METHODS.get(method.kind).load(method, out)
