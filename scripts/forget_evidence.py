"""Evidence beside exactness: what a model knew of forgotten people before and after.

python scripts/forget_evidence.py FOLDER [--users 100] [--config my.yaml] [--json out.json]

One request forgets the events of random users of ml-100k. For each method of the run the table has

- the membership gap of the forgotten users, before and after: log loss of their events that nothing
  was trained on (validation and test) minus log loss of the first method's training examples of
  them. A model that never saw a person has no reason to do better on either;
- the Jensen-Shannon divergence of its predictions from those of the last method, trained without
  shards, on the test events of the people who stay, after the request, in bits;
- its AUC on those events, before and after.

Intervals are 95 %, over users.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from forget_stream import CONFIG, begin
from sklearn.metrics import roc_auc_score

import p5rec
from p5rec.cli.forget import app as forget_app
from p5rec.core.rng import derive_rng
from p5rec.core.types import TEST, TRAIN, Corpus
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.methods.folder import read_method
from p5rec.methods.systems.apa.sharding import training_examples
from p5rec.report.markdown import table
from p5rec.tasks.queries import histories_before
from p5rec.tasks.view import unnamed_view

METHODS = {
    "apa": {"example_share": 0.02, "train": {"epochs": 8, "batch": 8, "learning_rate": 0.003}},
    "sisa": {"like": "apa", "weights": "uniform", "aggregate": "predictions"},
    "single-0": {"like": "apa", "shard": 0},
    "full": {"like": "apa", "shards": 1},
}
RESAMPLES = 1000
SMALL = 1e-6


def evidence_config() -> dict[str, Any]:
    """The config of forget_stream.py with the methods of the table, trained longer."""
    apa = {**CONFIG["methods"]["apa"], **METHODS["apa"]}
    return {**CONFIG, "methods": {**METHODS, "apa": apa}}


def clicks(folder: Path, corpus: Corpus, events: np.ndarray) -> dict[str, np.ndarray]:
    """The probabilities ``(B,)`` of events under each model of the run in ``folder``."""
    histories = histories_before(unnamed_view(corpus), "click", events)
    items, found = corpus.interactions.items[events], {}
    for model in sorted((folder / "run/models").iterdir()):
        method = read_method(model)
        if "predict_click" in method.capabilities:
            found[model.name] = method.load(model).predict_click(histories, items)
    return found


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
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    config = yaml.safe_load(options.config.read_text()) if options.config else evidence_config()
    here = options.folder.resolve()
    data = p5rec.Dataset.from_file("ml-100k", source="recbole")
    log, items = (pl.DataFrame(each) for each in (data.events, data.items))
    begin(here, log, items.select("item", "title"), config)
    corpus = build(DataConfig(**config["data"]))[0]
    draw = derive_rng(0, "forgotten").choice(
        len(corpus.user_ids), options.users, replace=False
    )  # fmt: skip
    users, split = corpus.interactions.users, corpus.split.of_event
    gone = np.isin(users, draw)
    labels = corpus.interactions.labels
    assert labels is not None, "the config has a label"
    examples = training_examples(
        read_method(here / f"run/models/{next(iter(config['methods']))}"), corpus, corpus.split.seed
    )
    trained = np.isin(corpus.interactions.event_keys, examples.keys)
    about = np.flatnonzero(gone & (trained | (split > TRAIN)))
    stay = np.flatnonzero(~gone & (split == TEST))
    before = [clicks(here, corpus, rows) for rows in (about, stay)]
    names = pl.DataFrame({"user": [corpus.user_ids[u] for u in draw]})
    log.join(names, on="user", how="semi").select("user", "item").write_csv(here / "gone.csv")
    words = ["--events", "gone.csv", "--run", "run", "--yes", "--jobs", "1"]
    forget_app(words, standalone_mode=False)
    after = [clicks(here, corpus, rows) for rows in (about, stay)]
    unsharded, rows = [*config["methods"]][-1], []
    for name in config["methods"]:
        losses = [log_losses(each[0][name], labels[about] > 0) for each in (before, after)]
        gaps = [gap(each, users[about], trained[about]) for each in losses]
        apart = divergence(after[1][name], after[1][unsharded])
        areas = [roc_auc_score(labels[stay] > 0, each[1][name]) for each in (before, after)]
        rows.append([name, *gaps, f"{apart:.4f}", *(f"{area:.4f}" for area in areas)])
    head = ["method", "gap before", "gap after", f"from {unsharded}", "AUC before", "AUC after"]
    print("\n".join(table(head, rows)))
    if options.json is not None:
        options.json.write_text(json.dumps([dict(zip(head, row, strict=True)) for row in rows]))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
