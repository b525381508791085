"""Questions about a user and an item that need not have met.

Each pair becomes one more event of its user, after everything the user did, of which nothing but
the item is known. The prompt families then pose it like any other event.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from p5rec.core.errors import UserError
from p5rec.core.rng import combined, derive_seed
from p5rec.core.types import TEST, TRAIN, VALID, Corpus, Example, Interactions, Split

from . import fewshot, tasks
from .library import PromptLibrary
from .source import PromptsConfig, pose
from .view import CorpusView, ItemNames

# given fields that tell what the user did with the item, which is what a pair does not have
TOLD = frozenset({"stars", "headline", "review", "summary"})


def with_pairs(corpus: Corpus, users: np.ndarray, items: np.ndarray) -> tuple[Corpus, np.ndarray]:
    """The corpus with B pairs as test events, and the rows ``(B,)`` where they stand.

    Training events stay what they are, so the rating scale and the worked examples do; every
    other real event becomes a validation event, so that the whole log is a pair's past and no
    pair is another's.

    Args:
        corpus: E events.
        users, items: ``(B,)`` rows.
    """
    log = corpus.interactions
    order = np.argsort(users, kind="stable")
    ends = log.offsets[1:][users[order]]
    source = np.insert(np.arange(len(log)), ends, -1)  # (E+B,): the real event's row, or -1
    new = source < 0

    def merged(real: np.ndarray, own: np.ndarray | float) -> np.ndarray:
        column = real[source]
        column[new] = own
        return column

    parts = np.where(corpus.split.parts == TRAIN, TRAIN, VALID).astype(np.int8)
    taken = pa.array(source, mask=new)
    events = Interactions(
        users=merged(log.users, users[order]),
        items=merged(log.items, items[order]),
        times=merged(log.times, log.times.max()),
        ratings=None if log.ratings is None else merged(log.ratings, np.nan),
        user_keys=log.user_keys,
        item_keys=log.item_keys,
        texts={name: column.take(taken) for name, column in log.texts.items()},
    )
    split = Split(corpus.split.name, merged(parts, TEST), corpus.split.seed)
    rows = np.empty(len(users), dtype=np.int64)
    rows[order] = np.flatnonzero(new)
    return Corpus(events, corpus.catalog, corpus.user_ids, split), rows


def pose_pairs(
    corpus: Corpus,
    names: ItemNames,
    library: PromptLibrary,
    family: str,
    users: np.ndarray,
    items: np.ndarray,
    *,
    seed: int = 0,
    config: PromptsConfig | None = None,
) -> list[Example]:
    """B questions in the first seen wording that needs nothing a pair does not have.

    A question depends on its own pair alone, not on the pairs asked beside it. Targets are empty
    of meaning: nobody knows the answers.

    Args:
        corpus: what the users did.
        names: how each item is written.
        library: the wordings.
        family: a family about a user and an item, such as ``rating`` or ``explanation``.
        users, items: ``(B,)`` rows.
        seed: of every draw.
        config: how much is shown.

    Raises:
        UserError: the family is unknown, the data lack what it needs, or no wording is left.
    """
    extended, rows = with_pairs(corpus, users, items)
    view, settings = CorpusView(extended, names), config or PromptsConfig()
    task = library.family(family).task
    if reason := tasks.unavailable(task, view):
        raise UserError(reason)
    fitting = [t for t in library.fitting(family, view, unseen=False) if not t.given & TOLD]
    if not fitting:
        raise UserError(
            f"{family}: expected a wording that asks about any user and item, got none that the "
            "data can fill; add one to the prompts and train again"
        )
    pool, log = fewshot.Pool.of(view, task), corpus.interactions
    keys = combined(log.user_keys[users], log.item_keys[items]).tolist()
    return [
        pose(view, fitting[0], row, pool, derive_seed(seed, "pair", family, key), settings)[1]
        for row, key in zip(rows.tolist(), keys, strict=True)
    ]
