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
from pathlib import Path

import numpy as np
import polars as pl
from forget_stream import run
from sklearn.metrics import roc_auc_score

from p5rec.cli.forget import app as forget_app
from p5rec.cli.inputs import read_recipe
from p5rec.core.rng import derive_rng, sampled
from p5rec.core.types import TEST, TRAIN, Corpus
from p5rec.methods.folder import read_method
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
    """The probabilities ``(B,)`` of events under each model of the run in ``folder``."""
    histories = histories_before(unnamed_view(corpus), "click", events)
    items, found = corpus.interactions.items[events], {}
    for model in sorted((folder / "run/models").iterdir()):
        method = read_method(model)
        if "predict_click" in method.capabilities:
            found[model.name] = method.load(model).predict_click(histories, items)
    return found


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
        parser.error(
            f"{here}: expected a folder without a request, got one with {GONE}; take another"
        )
    shutil.copy(options.config, here / "my.yaml")
    run(here)
    _, corpus = read_recipe("my.yaml")
    log, split, labels = corpus.interactions, corpus.split.of_event, corpus.interactions.labels
    assert labels is not None, "the config has a label"
    draw = derive_rng(0, "forgotten").choice(log.n_users, options.users, replace=False)
    models = sorted(path.name for path in (here / "run/models").iterdir())
    first = read_method(here / "run/models/apa")
    trained = np.isin(log.event_keys, training_examples(first, corpus, corpus.split.seed).keys)
    gone = np.isin(log.users, draw)
    known = np.isin(log.users, log.users[gone & trained])  # a gap has both sides
    unseen = few_of_each(np.flatnonzero(known & (split > TRAIN)), log.users, log.event_keys)
    about = np.sort(np.concatenate([np.flatnonzero(gone & trained), unseen]))
    stay = np.flatnonzero(~gone & (split == TEST))
    stay = stay[sampled(log.event_keys[stay], STAYING, 0, "evidence")]
    before = [clicks(here, corpus, rows) for rows in (about, stay)]
    forgotten = pl.DataFrame(
        {
            "user": [corpus.user_ids[u] for u in log.users[gone]],
            "item": [corpus.catalog.ids[i] for i in log.items[gone]],
        }
    )
    forgotten.write_csv(here / GONE)
    words = ["--events", GONE, "--run", "run", "--yes", "--jobs", "1"]
    forget_app(words, standalone_mode=False)
    after = [clicks(here, corpus, rows) for rows in (about, stay)]
    rows = []
    for name in models:
        losses = [log_losses(each[0][name], labels[about] > 0) for each in (before, after)]
        gaps = [gap(each, log.users[about], trained[about]) for each in losses]
        apart = divergence(after[1][name], after[1]["full"])
        areas = [roc_auc_score(labels[stay] > 0, each[1][name]) for each in (before, after)]
        rows.append([name, *gaps, f"{apart:.4f}", *(f"{area:.4f}" for area in areas)])
    head = ["method", "gap before", "gap after", "from full", "AUC before", "AUC after"]
    print("\n".join(table(head, rows)))
    if options.json is not None:
        options.json.write_text(json.dumps([dict(zip(head, row, strict=True)) for row in rows]))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
