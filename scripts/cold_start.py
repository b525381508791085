"""Ranking of cold items that get semantic ids after the training.

python scripts/cold_start.py --out runs/cold [--folds 5] [--share 0.05]
    [--config ids --method rq-fused | --config parallel-codes --method parallel-codes] [KEY=VALUE]

Each fold removes a twentieth of the items of the log and of the item table and trains a model that
knows items by their codes alone on the rest. Then the ids are extended to the removed items
(``p5rec ids extend``), and the model ranks all items for users with a removed item as test event.
Controls: the same model with random codes for the new items; text neighbours, which rank all items
by the likeness of their MiniLM vector and the sum of the history's; and the effect of the new items
on users with an old item as test event. For a method that scores all items at once, ``fused`` adds
to the scores of new items a constant and a multiple of that likeness, which validation chooses:
the best for new items that costs known items a thousandth of HR@10 at most. ``trade-off.png`` shows
what other constants do on the test split. ``unseen`` items have no training event in the log
itself. The data are those of the config, ml-100k without overrides.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from new_item_scores import AS_THEY_ARE, RULES, Scored, choose, draw, likeness, trade_off

from p5rec.backbones.encoder import encode
from p5rec.cli.run import load
from p5rec.core.artefacts import Store, write_json
from p5rec.core.config import load as load_config
from p5rec.core.item_codes import ItemCodes
from p5rec.core.paths import assets, cache_home
from p5rec.core.rng import derive_rng, sampled, tie_order
from p5rec.core.types import Corpus, Histories, RankedLists
from p5rec.data.config import DataConfig
from p5rec.data.entity_texts import item_texts
from p5rec.data.prepare import load_corpus, prepare_data
from p5rec.data.split import instances
from p5rec.evaluate.assemble import Rules, assemble
from p5rec.evaluate.measure import ranking
from p5rec.ids.files import save_codes
from p5rec.methods.predictors import ScoresItems
from p5rec.methods.views import view_methods
from p5rec.pipeline.fitting import fit_method
from p5rec.pipeline.ids import build_ids
from p5rec.pipeline.method_runs import RunContext
from p5rec.pipeline.prepared import Prepared
from p5rec.recommend.ranking import rank
from p5rec.report.files import write_report
from p5rec.report.terminal import table
from p5rec.train.extension import extended
from p5rec.train.training_data import trained_items

K = 20
PAIRS = [
    ("extended", "random codes"), ("extended", "text neighbours"), ("fused", "text neighbours"),
    ("fused", "extended"), ("with new items", "without"), ("fused", "without"),
]  # fmt: skip
VALIDATED = 2000  # validation requests of a fold, at most, with a known and with a new target
COST = 0.001  # HR@10 that new items may take from known ones


def tables(corpus: Corpus, used: np.ndarray, folder: Path) -> DataConfig:
    """Writes the log and the item table of the items ``used (N,)`` bool as files."""
    folder.mkdir(parents=True, exist_ok=True)
    log, ids = corpus.interactions, np.array(corpus.catalog.ids)
    rows = used[log.items]
    pl.DataFrame(
        {
            "user": np.array(corpus.user_ids)[log.users[rows]],
            "item": ids[log.items[rows]],
            "time": np.flatnonzero(rows),  # unique times keep the order of ties
        }
    ).write_parquet(folder / "log.parquet")
    items = pl.DataFrame(corpus.catalog.table.filter(used))
    items.write_parquet(folder / "items.parquet")
    attributes = {name: name for name in corpus.catalog.attributes}
    return DataConfig(
        source="table",
        path=str(folder / "log.parquet"),
        columns={"user": "user", "item": "item", "time": "time"},
        items={
            "path": str(folder / "items.parquet"),
            "columns": {"item": "item", "title": "title", "attributes": attributes},
        },
        catalog="table",
    )


def random_codes(codes: ItemCodes, new: np.ndarray, seed: int) -> ItemCodes:
    """The same codes, with random free codes for the items ``new (N,)`` bool."""
    rng, out = derive_rng(seed, "cold", "codes"), codes.codes.copy()
    todo = np.flatnonzero(new)
    while len(todo):
        out[todo] = rng.integers(np.array(codes.sizes), size=(len(todo), codes.levels))
        first = np.unique(np.concatenate([out[~new], out[new]]), axis=0, return_index=True)[1]
        taken = np.setdiff1d(np.arange(len(out)), first) - int((~new).sum())
        todo = np.flatnonzero(new)[taken]  # old items come first, so they keep their codes
    return ItemCodes(out, codes.sizes, "random")


def neighbours(vectors: np.ndarray, histories: Histories, tie: np.ndarray) -> RankedLists:
    """All items by the likeness of their text and a history's."""
    items, scores = rank(likeness(vectors, histories), K, tie, exclude=histories)
    return RankedLists(histories.users, items, scores)


@dataclass(frozen=True, eq=False)
class Fold:
    """The results of a fold; users and items are row numbers of the whole corpus.

    Attributes:
        lists: variant → lists and targets.
        scored: split and targets → scores, if the method scores all items at once.
    """

    lists: dict[str, tuple[RankedLists, np.ndarray]]
    scored: dict[str, Scored]


def fold(
    recipe: Any,
    method: Any,
    old: DataConfig,
    everything: Corpus,
    vectors: np.ndarray,
    store: Store,
    work: Path,
    seed: int,
) -> Fold:
    """Trains ``method`` on the data ``old`` and ranks the items of ``everything``."""
    data = prepare_data(old, store)
    corpus = load_corpus(data.path)
    prepared = Prepared(corpus, data, store)
    views = view_methods(recipe.ids, recipe.methods)[method.ids]
    ids = build_ids(recipe.ids[method.ids], views, prepared)
    (fitted,) = fit_method(method, prepared, RunContext({method.ids: ids}))
    codes, _ = extended(ids[0].path, everything)
    new = ~np.isin(everything.catalog.ids, corpus.catalog.ids)
    unseen = ~np.isin(everything.catalog.ids, np.array(corpus.catalog.ids)[trained_items(corpus)])
    histories, targets, _ = instances(everything.interactions, everything.split, "test")
    before, _, _ = instances(corpus.interactions, corpus.split, "test")
    left = np.isin(  # some users have no test event without the new items
        np.array(everything.user_ids)[histories.users], np.array(corpus.user_ids)[before.users]
    )
    cold, warm = np.flatnonzero(new[targets]), np.flatnonzero(~unseen[targets] & left)

    tie = tie_order(everything.interactions.item_keys, 0)

    def opened(codes: ItemCodes) -> Any:
        save_codes(codes, work / "codes", everything.catalog.ids)
        return fitted.method.open_predictor(fitted.folder, work / "codes")

    extending, chance = opened(codes), opened(random_codes(codes, new, seed))
    without = fitted.method.load(fitted.folder).recommend(before, K)
    lists = {
        "cold: extended": (extending.recommend(histories.take(cold), K), targets[cold]),
        "cold: random codes": (chance.recommend(histories.take(cold), K), targets[cold]),
        "cold: text neighbours": (
            neighbours(vectors, histories.take(cold), tie),
            targets[cold],
        ),
        "warm: with new items": (extending.recommend(histories.take(warm), K), targets[warm]),
        "warm: without": (_translated(without, corpus, everything, histories.users[warm]),
                          targets[warm]),
    }  # fmt: skip
    if len(where := np.flatnonzero((unseen & ~new)[targets])):
        lists["unseen: text neighbours"] = (
            neighbours(vectors, histories.take(where), tie), targets[where]
        )  # fmt: skip
    scored = {}
    if isinstance(extending, ScoresItems):
        of_targets = {"cold": new, "unseen": unseen & ~new, "warm": ~unseen}
        for split, (name, of_target) in product(("valid", "test"), of_targets.items()):
            histories, targets, _ = instances(everything.interactions, everything.split, split)
            chosen = np.flatnonzero(of_target[targets])
            if (split, name) == ("test", "warm"):
                chosen = warm
            if split == "valid":
                keys = histories.request_keys[chosen]
                chosen = chosen[sampled(keys, VALIDATED, seed, name)]
            requests = histories.take(chosen), targets[chosen]
            scored[f"{split} {name}"] = Scored.of(extending, vectors, unseen, tie, requests, K)
    return Fold(lists, scored)


def _translated(
    lists: RankedLists, old: Corpus, everything: Corpus, users: np.ndarray
) -> RankedLists:
    """Lists over ``old`` as lists over ``everything``, for its ``users (B,)``."""
    at = {old.user_ids[user]: row for row, user in enumerate(lists.users.tolist())}
    rows = np.array([at[everything.user_ids[user]] for user in users])
    index = {item: row for row, item in enumerate(everything.catalog.ids)}
    items = np.array([index[item] for item in old.catalog.ids], dtype=np.int32)
    return RankedLists(users, items[lists.items[rows]], lists.scores[rows])


def _joined(parts: list[tuple[RankedLists, np.ndarray]]) -> tuple[RankedLists, np.ndarray]:
    fields = ("users", "items", "scores")
    lists = (np.concatenate([getattr(part, name) for part, _ in parts]) for name in fields)
    return RankedLists(*lists), np.concatenate([targets for _, targets in parts])


def main() -> None:
    """Parses the command line, runs the folds, writes the report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--config", default="ids", help="of the recipe sft")
    parser.add_argument("--method", default="rq-fused", help="one of the config's")
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    started = time.perf_counter()
    recipes = assets("recipes")
    schema = load(recipes / "sft.py").SCHEMA
    recipe: Any = load_config(
        recipes / f"configs/sft/{options.config}.yaml", schema, options.overrides
    )
    store, work = Store(cache_home() / "store"), options.out / "work"
    method = recipe.methods[options.method]
    whole = load_corpus(prepare_data(recipe.data, store).path)
    n_items = len(whole.catalog)
    every = prepare_data(tables(whole, np.ones(n_items, bool), work / "all"), store)
    everything = load_corpus(every.path)
    vectors = np.nan_to_num(encode(item_texts(everything.catalog), download=True))
    order = derive_rng(recipe.seed, "cold", "items").permutation(n_items)
    size = round(options.share * n_items)
    pooled: dict[str, list[tuple[RankedLists, np.ndarray]]] = {}
    scored: dict[str, list[Scored]] = {}
    for nth in range(options.folds):
        used = np.ones(n_items, dtype=bool)
        used[order[nth * size : (nth + 1) * size]] = False
        old = tables(whole, used, work / f"fold {nth}")
        done = fold(recipe, method, old, everything, vectors, store, work, nth)
        for name, results in done.lists.items():
            pooled.setdefault(name, []).append(results)
        for name, scores in done.scored.items():
            scored.setdefault(name, []).append(scores)
    notes: list[str] = []
    if scored:
        rule = choose(scored["valid cold"], scored["valid warm"], COST)
        rules = {f"{name}: fused": rule for name in ("cold", "unseen", "warm")}
        for label, applied in {**rules, "unseen: extended": AS_THEY_ARE}.items():
            of_test = scored[f"test {label.partition(':')[0]}"]
            pooled[label] = [(part.lists(applied), part.targets) for part in of_test]
        curve = trade_off(scored["test cold"], scored["test warm"], rule)
        write_json(options.out / "trade-off.json", {"chosen": rule._asdict(), "points": curve})
        draw(curve, rule, options.out / "trade-off.png")
        notes.append(
            f"fused: the log-probability of a new item, plus {rule.bonus:g}, plus {rule.weight:g} "
            "for each standard deviation of the likeness of its text and the history's; the best "
            f"of {len(RULES)} such rules in HR@10 on new items among those that cost known items "
            f"at most {COST:g}, both on validation."
        )
    measured = []
    for name, parts in pooled.items():
        task, label = name.split(": ")
        lists, targets = _joined(parts)
        run: Any = {"split": "test", "task": f"{task} items", "seed": 0}
        measured.append(ranking(label, lists, targets, everything, **run))
    report = assemble(
        everything,
        measured,
        Rules(seed=0, pairs=PAIRS),
        seconds=time.perf_counter() - started,
        manifest={"command": " ".join(["scripts/cold_start.py", *sys.argv[1:]])},
        notes=[
            *notes,
            f"{options.folds} folds, each without {size} of {n_items} items in training; the cold "
            "test instances are those users with one of them as test event, each in one fold or "
            "none.",
            f"The model and its ids are {options.method} of the config {options.config}, without "
            "item embeddings (item_embeddings: false).",
        ],
    )
    print(table(write_report(report, options.out)))
    for comparison in report.comparisons:
        print(comparison.sentence)


if __name__ == "__main__":
    main()
