"""Evidence beside exactness: what a model knew of forgotten people before and after.

python scripts/forget_evidence.py FOLDER [--users 300] [--config my.yaml] [--json out.json]

One request forgets the events of random users of ml-100k. For each method of the run the table has

- the membership gap of the forgotten users, before and after: log loss of their events that nothing
  was trained on (validation and test) minus log loss of the training examples about them. A model
  that never saw a person has no reason to do better on either;
- the Jensen-Shannon divergence, in bits, of its predictions from those of `full`, trained without
  shards, on the test events of the people who stay, after the request;
- its AUC on those events, before and after.

Intervals are 95 %, over users. A script that was stopped before the request goes on in the same
FOLDER.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from forget_stream import run
from sklearn.metrics import roc_auc_score

from p5rec.cli.forget import app as forget_app
from p5rec.cli.inputs import read_recipe
from p5rec.core.rng import derive_rng, sampled
from p5rec.core.types import TEST, TRAIN, Corpus, Histories
from p5rec.methods.folder import read_catalog, read_method
from p5rec.methods.systems.apa.sharding import training_examples
from p5rec.report.markdown import table
from p5rec.tasks.queries import histories_before
from p5rec.tasks.view import unnamed_view

CONFIG = Path(__file__).with_suffix(".yaml")
RESAMPLES = 1000
SMALL = 1e-6
UNSEEN = 5  # held-out events of a forgotten user, at most
GONE = "gone.csv"
STAYING = 1000  # test events of the users who stay


def clicks(folder: Path, corpus: Corpus, events: np.ndarray) -> dict[str, np.ndarray]:
    """The probabilities ``(B,)`` of events under each model of the run in ``folder``.

    An item whose events are all forgotten is unknown to the models after the request: it is left
    out of histories, and its own events are NaN.
    """
    histories = histories_before(unnamed_view(corpus), "click", events)
    items, found = corpus.interactions.items[events], {}
    for model in sorted((folder / "run/models").iterdir()):
        method = read_method(model)
        if "predict_click" in method.capabilities:
            rows = {name: row for row, name in enumerate(read_catalog(model).ids)}
            own = np.array([rows.get(name, -1) for name in corpus.catalog.ids], dtype=np.int32)
            known, asked = own[items] >= 0, _translated(histories, own)
            found[model.name] = np.full(len(events), np.nan)
            found[model.name][known] = method.load(model).predict_click(
                asked.take(np.flatnonzero(known)), own[items[known]]
            )
    return found


def _translated(histories: Histories, rows: np.ndarray) -> Histories:
    """``histories`` with ``rows (N,)`` for its items, without those that are -1."""
    kept = rows[histories.items] >= 0
    offsets = np.concatenate([[0], kept.cumsum()])[histories.offsets]
    about = {name: getattr(histories, name) for name in ("labels", "ratings")}
    about = {name: None if own is None else own[kept] for name, own in about.items()}
    return replace(histories, items=rows[histories.items[kept]], offsets=offsets, **about)


def few_of_each(events: np.ndarray, users: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """At most ``UNSEEN`` random events of each user."""
    parts = [events[users[events] == user] for user in np.unique(users[events])]
    chosen = [part[sampled(keys[part], UNSEEN, 0, "evidence")] for part in parts]
    return np.concatenate(chosen)


def log_losses(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """``(B,)`` log losses."""
    p = np.clip(probabilities.astype(np.float64), SMALL, 1 - SMALL)
    return np.asarray(-np.where(labels, np.log(p), np.log(1 - p)))


def gap(losses: np.ndarray, users: np.ndarray, seen: np.ndarray) -> str:
    """The mean over users of a user's loss on unseen minus seen events, with its interval."""
    rows = [
        losses[(users == u) & ~seen].mean() - losses[(users == u) & seen].mean()
        for u in np.unique(users[seen])
        if (~seen[users == u]).any()
    ]
    gaps, rng = np.array(rows), derive_rng(0, "evidence")
    means = gaps[rng.integers(len(gaps), size=(RESAMPLES, len(gaps)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return f"{gaps.mean():+.4f} [{low:+.4f}, {high:+.4f}]"


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    """The mean Jensen-Shannon divergence of two predictions of clicks, in bits."""
    both = np.stack([np.stack([each, 1 - each]) for each in (p, q)]).clip(SMALL, 1)
    mean = both.mean(axis=0)
    return float((both * np.log2(both / mean)).sum(axis=1).mean())


def chosen(corpus: Corpus, gone: np.ndarray, trained: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The events about the forgotten, and test events of those who stay.

    Args:
        gone: ``(E,)`` bool, events of forgotten users.
        trained: ``(E,)`` bool, events of training examples.
    """
    log, split = corpus.interactions, corpus.split.of_event
    both = np.isin(log.users, log.users[gone & trained])  # a gap has both sides
    unseen = few_of_each(np.flatnonzero(both & (split > TRAIN)), log.users, log.event_keys)
    about = np.sort(np.concatenate([np.flatnonzero(gone & trained), unseen]))
    stay = np.flatnonzero(~gone & (split == TEST))
    return about, stay[sampled(log.event_keys[stay], STAYING, 0, "evidence")]


def forget(corpus: Corpus, gone: np.ndarray) -> None:
    """Forgets events of the run in the working folder."""
    log = corpus.interactions
    columns = {
        "user": [corpus.user_ids[u] for u in log.users[gone]],
        "item": [corpus.catalog.ids[i] for i in log.items[gone]],
    }
    pl.DataFrame(columns).write_csv(GONE)
    forget_app(["--events", GONE, "--run", "run", "--yes", "--jobs", "1"], standalone_mode=False)


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    here = options.folder.resolve()
    here.mkdir(exist_ok=True)
    if (here / GONE).exists():
        parser.error(f"{here}: expected no earlier request, got {GONE}; take another folder")
    shutil.copy(options.config, here / "my.yaml")
    out = options.json.resolve() if options.json else None
    run(here)
    _, corpus = read_recipe("my.yaml")
    log, labels = corpus.interactions, corpus.interactions.labels
    assert labels is not None, "the config has a label"
    first: Any = read_method(here / "run/models/apa")
    trained = np.isin(log.event_keys, training_examples(first, corpus, corpus.split.seed).keys)
    draw = derive_rng(0, "forgotten").choice(log.n_users, options.users, replace=False)
    gone = np.isin(log.users, draw)
    asked = chosen(corpus, gone, trained)
    before = [clicks(here, corpus, events) for events in asked]
    forget(corpus, gone)
    after = [clicks(here, corpus, events) for events in asked]
    known = [~np.isnan(each["full"]) for each in after]
    about, stay = (events[own] for events, own in zip(asked, known, strict=True))
    rows = []
    for name in after[0]:
        of_about, of_stay = ([each[n][name][known[n]] for each in (before, after)] for n in (0, 1))
        losses = [log_losses(each, labels[about] > 0) for each in of_about]
        gaps = [gap(each, log.users[about], trained[about]) for each in losses]
        apart = divergence(of_stay[1], after[1]["full"][known[1]])
        areas = [roc_auc_score(labels[stay] > 0, each) for each in of_stay]
        rows.append([name, *gaps, f"{apart:.4f}", *(f"{area:.4f}" for area in areas)])
    head = ["method", "gap before", "gap after", "from full", "AUC before", "AUC after"]
    print("\n".join(table(head, rows)))
    if out is not None:
        out.write_text(json.dumps([dict(zip(head, row, strict=True)) for row in rows]))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
