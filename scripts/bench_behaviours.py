"""Contribution of views and carts beside purchases, when they carry information and when not.

python scripts/bench_behaviours.py [--users 600] [--seed 0]

Each method is fitted to a synthetic shop (``data.synthetic.kind: shop``) twice: to all events and
to the purchases only. Both are evaluated on the same held-out purchases: NDCG@10 of both, and their
difference with its 95 % interval over users. About 2 minutes on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from p5rec.core.types import Corpus, Histories, RankedLists
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.split import instances
from p5rec.ids.base import fit as fit_ids
from p5rec.ids.config import IdsConfig
from p5rec.methods.base import Method
from p5rec.methods.baselines.ease import Ease
from p5rec.methods.baselines.itemknn import ItemKnn
from p5rec.methods.baselines.sasrec import Sasrec
from p5rec.methods.generative.method import Generative
from p5rec.metrics import ranking
from p5rec.metrics.intervals import mean_of, paired
from p5rec.models.checkpoint import load_bundle
from p5rec.recommend.generative import GenerativeRecommender
from p5rec.recommend.validate import validator
from p5rec.train.training import train

BEHAVIOUR = {
    "column": "behaviour",
    "targets": ["purchase"],
    "weights": {"view": 0.5, "cart": 0.0},
}
PLANTED, NULL = 0.75, 0.0
Fit = Callable[[Corpus], Callable[[Histories], RankedLists]]

NETWORK = Generative(
    backbone={
        "kind": "scratch",
        "width": 32,
        "layers": 1,
        "heads": 2,
        "feedforward": 64,
        "dropout": 0.2,
    },
    item_head={"init_std": 0.16},
    train={
        "epochs": {"max_epochs": 150, "ema_epochs": 2, "patience": 40},
        "next_item": {"bos_probability": 0.02},
        "learning_rate": 0.002,
        "embedding_learning_rate": 0.016,
        "schedule": "constant",
        "warmup": 20,
        "weight_decay": 0.0,
        "clip": 10,
        "precision": "float32",
    },
    decode={"search": "item-head"},
)


def shop(p: float, users: int, seed: int, *, behaviours: bool) -> Corpus:
    """A shop's log, with all events or only purchases; the held-out purchases are the same."""
    data = {"kind": "shop", "users": users, "items": 48, "events": 5, "p": p, "seed": seed}
    chosen = BEHAVIOUR if behaviours else None
    return build(DataConfig(source="synthetic", synthetic=data, behaviour=chosen, catalog="table"))[
        0
    ]


def of_method(method: Method) -> Fit:
    """The fit function of a baseline."""

    def fit(corpus: Corpus) -> Callable[[Histories], RankedLists]:
        model = method.learn(corpus.interactions, corpus.split)
        return lambda histories: model.recommend(histories, 10)

    return fit


def network(corpus: Corpus) -> Callable[[Histories], RankedLists]:
    """The generative method's network, which ranks by its item head."""
    vectors = {"text": None, "cooccurrence": {"dim": 8}}
    codes = fit_ids(IdsConfig(levels=2, codebook=8, vectors=vectors), corpus).codes
    with TemporaryDirectory() as folder:
        train(NETWORK, corpus, codes, Path(folder), validator(corpus, NETWORK.decode, 10_000))
        bundle = load_bundle(Path(folder)).ready()
    return lambda histories: GenerativeRecommender(bundle, NETWORK.decode).recommend(histories, 10)


METHODS: dict[str, Fit] = {
    "ease": of_method(Ease(l2=20)),
    "item-knn": of_method(ItemKnn(neighbours=20)),
    "sasrec": of_method(Sasrec(width=32, ema_epochs=2, patience=20)),
    "network": network,
}


def ndcg(fit: Fit, corpus: Corpus) -> np.ndarray:
    """``(U,)`` NDCG@10 of the users' test purchases."""
    histories, targets, _ = instances(corpus.interactions, corpus.split, "test")
    results: np.ndarray = ranking.per_user(fit(corpus)(histories).items, targets, (10,))["NDCG@10"]
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=600)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print("views          method     all    purchases   difference")
    for name, p in (("of the taste", PLANTED), ("of anything", NULL)):
        logs = [shop(p, args.users, args.seed, behaviours=each) for each in (True, False)]
        for method, fit in METHODS.items():
            full, purchases = (ndcg(fit, corpus) for corpus in logs)
            gain = paired(mean_of(full), mean_of(purchases), np.arange(len(full)), seed=0)[0]
            print(
                f"{name:14} {method:9} {full.mean():.4f} {purchases.mean():.4f}"
                f"      {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]",
                flush=True,
            )


if __name__ == "__main__":
    main()
