"""Accuracy of a stale model, of full refits and of a chain of updates on the next slice of a log,
and the cost of refit and update.

python scripts/bench_update.py LOG [--user user] [--item item] [--time time] [--items TABLE]
    [--title title] [--method Hybrid] [--epochs N] [--share 0.2] [--queries 20] [--include-seen]
    [--no-text] [--json out.json]

Events are cut by time into five slices of equal size. Validation chooses the method's settings on
slice 1. After slice n there are three models: the stale model, fitted to slice 1; the refit of the
same settings to slices 1 to n; and the update of the previous slice's updated model. Each is
evaluated on events of slice n + 1, at most ``--queries`` random ones per user, with the user's
full earlier history; users may be new to the model. Items that a model does not know are dropped
from histories and count as misses if they are targets. NDCG@10 is the mean over users of the mean
over their events. Intervals are 95 % bootstrap intervals over users, also of paired differences.
Seconds are processor time; the data are prepared beforehand.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl

import p5rec
from p5rec.core.rng import derive_rng

SLICES, K, DRAWS = 5, 10, 1000
EPOCHS = {  # method → the setting that bounds its training
    "Hybrid": lambda n: {"components": {"network": {"train": {"epochs": {"max_epochs": n}}}}},
    "HybridNetwork": lambda n: {"train": {"epochs": {"max_epochs": n}}},
    "Sasrec": lambda n: {"epochs": n},
    "Bpr": lambda n: {"epochs": n},
}


@dataclass(frozen=True)
class Queries:
    """Test instances: users, their histories before an event, and the item of the event."""

    users: list[str]
    histories: dict[str, list[str]]
    targets: list[str]


@dataclass(frozen=True)
class Log:
    """Events ``user``, ``item``, ``time``, ``slice``, by user and time; and the item table."""

    events: pl.DataFrame
    items: pl.DataFrame | None

    @classmethod
    def read(cls, options: argparse.Namespace) -> Log:
        names = {options.user: "user", options.item: "item", options.time: "time"}
        events = _table(options.log).select(*names).rename(names)
        events = events.unique().sort("user", "time", "item")
        rank = events["time"].rank("min") - 1
        cut = (rank * SLICES / len(events)).floor().cast(pl.Int64) + 1
        events = events.with_columns(slice=cut, user=pl.col("user").cast(pl.String),
                                     item=pl.col("item").cast(pl.String))  # fmt: skip
        if options.items is None:
            return cls(events, None)
        named = {options.item_of_table: "item", options.title: "title"}
        items = _table(options.items).select(*named).rename(named)
        return cls(events, items.with_columns(pl.col("item").cast(pl.String)))

    def until(self, n: int) -> p5rec.Dataset:
        """Slices 1 to n."""
        known = self.events.filter(pl.col("slice") <= n).drop("slice")
        items = self.items
        if items is not None:
            items = items.join(known.select("item").unique(), on="item", how="semi")
        return p5rec.Dataset.from_frame(known, items, k_core={"user": 1, "item": 1})

    def queries(self, n: int, most: int) -> Queries:
        """Test instances of slice n, at most ``most`` random ones per user."""
        past = self.events.filter(pl.col("slice") <= n)
        options, histories, targets = [], {}, []
        for (user,), own in past.group_by("user", maintain_order=True):
            items = own["item"].to_list()
            positions = np.flatnonzero(own["slice"].to_numpy() == n)
            rng = derive_rng(0, "questions", n, str(user))
            for position in np.sort(rng.permutation(positions)[:most]):
                histories[f"{user} {position}"] = items[:position]
                targets.append(items[position])
                options.append(str(user))
        return Queries(options, histories, targets)


def _table(path: Path) -> pl.DataFrame:
    if ".jsonl" in path.suffixes:
        return pl.read_ndjson(path)
    return pl.read_csv(path, infer_schema_length=None)


def gains(model: p5rec.Model, options: Queries, include_seen: bool) -> np.ndarray:
    """NDCG@10 of each user, averaged over the user's test instances."""
    known = {*model.items["item"]}
    read = {name: [i for i in items if i in known] for name, items in options.histories.items()}
    lists = model.recommend(histories=read, k=K, exclude_seen=not include_seen, frame="polars")
    wanted = pl.DataFrame({"whom": options.users, "user": [*read], "item": options.targets})
    results = wanted.join(lists, on=["user", "item"], how="left", maintain_order="left")
    gain = (1 / (1 + pl.col("rank")).log(2)).fill_null(0.0).mean()
    return results.group_by("whom", maintain_order=True).agg(gain=gain)["gain"].to_numpy()


def interval(values: np.ndarray, *names: str | int) -> list[float]:
    """The mean and its 95 % bootstrap interval."""
    rng = derive_rng(0, "bench update", *names)
    means = [values[rng.integers(len(values), size=len(values))].mean() for _ in range(DRAWS)]
    return [float(values.mean()), *(float(each) for each in np.quantile(means, (0.025, 0.975)))]


def timed(make: Callable[[], p5rec.Model]) -> tuple[p5rec.Model, float]:
    """The result of ``make``, and its processor seconds."""
    started = time.process_time()
    return make(), time.process_time() - started


def compare(log: Log, options: argparse.Namespace, store: Path) -> dict[str, Any]:
    """The results of every slice."""
    settings = EPOCHS[options.method](options.epochs) if options.epochs else {}
    if options.no_text:
        settings["ids"] = {"vectors": {"text": None}}
    first = log.until(1)
    method = getattr(p5rec, options.method)(**settings)
    chosen, seconds = timed(lambda: method.fit(first.split(), store=store, verbose=options.verbose))
    print(f"chosen on slice 1 in {seconds:.0f} s: {chosen.describe().get('weights', '')}")
    stale = updated = refitted = chosen.refit(store=store, verbose=options.verbose)
    print(f"slice 1: {stale.provenance.fitted}")
    rows = []
    for n in range(1, SLICES):
        row: dict[str, Any] = {"slice": n + 1}
        if n > 1:
            data = log.until(n)
            data.of_all_events().data  # noqa: B018  # prepared before the clock starts
            refitted, row["refit s"] = timed(
                lambda data=data: chosen.refit(data, store=store, verbose=options.verbose)
            )
            before = updated
            updated, row["update s"] = timed(
                lambda data=data, before=before: before.update(
                    data, options.share, store=store, verbose=options.verbose
                )
            )
            row |= {"new users": len(updated.news.users), "new items": len(updated.news.items)}
            row["fitted"] = updated.provenance.fitted
        queries = log.queries(n + 1, options.queries)
        models = {"stale": stale, "refit": refitted, "update": updated}
        results = {name: gains(m, queries, options.include_seen) for name, m in models.items()}
        row |= {"users": len(results["stale"]), "queries": len(queries.users)}
        row |= {name: interval(values, n) for name, values in results.items()}
        row["update - stale"] = interval(results["update"] - results["stale"], n)
        row["update - refit"] = interval(results["update"] - results["refit"], n)
        row["unlisted targets"] = {
            name: float(1 - np.isin(queries.targets, m.items["item"].to_list()).mean())
            for name, m in models.items()
        }
        rows.append(row)
        print(json.dumps(row), flush=True)
    return {"method": options.method, "settings": settings, "share": options.share, "slices": rows}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("log", type=Path)
    for name in ("user", "item", "time", "title"):
        parser.add_argument(f"--{name}", default=name)
    parser.add_argument("--items", type=Path)
    parser.add_argument("--item-of-table", default=None)
    parser.add_argument("--method", default="Hybrid")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--share", type=float)
    parser.add_argument("--include-seen", action="store_true")
    parser.add_argument("--no-text", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.item_of_table = options.item_of_table or options.item
    with TemporaryDirectory() as store:
        results = compare(Log.read(options), options, Path(store))
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
