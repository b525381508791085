"""What a stale model, full refits and a chain of updates are worth on the next slice of a log, and
what refit and update take.

python scripts/bench_update.py LOG [--user user] [--item item] [--time time] [--items TABLE]
    [--title title] [--method Hybrid] [--epochs N] [--share 0.2] [--questions 20] [--include-seen]
    [--no-text] [--json out.json]

Events are cut by time into five slices of like size. Validation chooses the method's settings on
slice 1. After slice n there are three models: the stale one, which was refitted to slice 1; the
refit of the same settings to slices 1 to n; and the update of the updated model of the slice
before. Each is asked for events of slice n + 1, at most so many of a user (``--questions``, drawn),
by all that the user did before, whether the model knew that user or not. An item that a model does
not know is left out of histories, and is a miss where it is asked for. NDCG@10 is the mean over
users of the mean of their questions; intervals are 95 % bootstrap intervals over users, those of
paired differences too. Seconds are those of the processor during the call; the data are prepared
before.
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
class Questions:
    """Users, what each had done before an event, and that event's item."""

    users: list[str]
    histories: dict[str, list[str]]
    targets: list[str]


@dataclass(frozen=True)
class Log:
    """Events ``user``, ``item``, ``time``, ``slice``, by user and then time, and the item table."""

    events: pl.DataFrame
    items: pl.DataFrame | None

    @classmethod
    def read(cls, asked: argparse.Namespace) -> Log:
        names = {asked.user: "user", asked.item: "item", asked.time: "time"}
        events = _table(asked.log).select(*names).rename(names)
        events = events.unique().sort("user", "time", "item")
        place = events["time"].rank("min") - 1
        cut = (place * SLICES / len(events)).floor().cast(pl.Int64) + 1
        events = events.with_columns(slice=cut, user=pl.col("user").cast(pl.String),
                                     item=pl.col("item").cast(pl.String))  # fmt: skip
        if asked.items is None:
            return cls(events, None)
        named = {asked.item_of_table: "item", asked.title: "title"}
        items = _table(asked.items).select(*named).rename(named)
        return cls(events, items.with_columns(pl.col("item").cast(pl.String)))

    def until(self, n: int) -> p5rec.Dataset:
        """Slices 1 to n."""
        known = self.events.filter(pl.col("slice") <= n).drop("slice")
        items = self.items
        if items is not None:
            items = items.join(known.select("item").unique(), on="item", how="semi")
        return p5rec.Dataset.from_frame(known, items, k_core={"user": 1, "item": 1})

    def questions(self, n: int, most: int) -> Questions:
        """Events of slice n, at most so many of a user, drawn: what came before, and the item."""
        past = self.events.filter(pl.col("slice") <= n)
        asked, histories, targets = [], {}, []
        for (user,), own in past.group_by("user", maintain_order=True):
            items = own["item"].to_list()
            places = np.flatnonzero(own["slice"].to_numpy() == n)
            rng = derive_rng(0, "questions", n, str(user))
            for place in np.sort(rng.permutation(places)[:most]):
                histories[f"{user} {place}"] = items[:place]
                targets.append(items[place])
                asked.append(str(user))
        return Questions(asked, histories, targets)


def _table(path: Path) -> pl.DataFrame:
    if ".jsonl" in path.suffixes:
        return pl.read_ndjson(path)
    return pl.read_csv(path, infer_schema_length=None)


def gains(model: p5rec.Model, asked: Questions, include_seen: bool) -> np.ndarray:
    """NDCG@10 of each user, the mean over what was asked."""
    known = {*model.items["item"]}
    read = {name: [i for i in items if i in known] for name, items in asked.histories.items()}
    lists = model.recommend(histories=read, k=K, exclude_seen=not include_seen, frame="polars")
    wanted = pl.DataFrame({"whom": asked.users, "user": [*read], "item": asked.targets})
    found = wanted.join(lists, on=["user", "item"], how="left", maintain_order="left")
    gain = (1 / (1 + pl.col("rank")).log(2)).fill_null(0.0).mean()
    return found.group_by("whom", maintain_order=True).agg(gain=gain)["gain"].to_numpy()


def interval(values: np.ndarray, *names: str | int) -> list[float]:
    """The mean and its 95 % bootstrap interval."""
    rng = derive_rng(0, "bench update", *names)
    means = [values[rng.integers(len(values), size=len(values))].mean() for _ in range(DRAWS)]
    return [float(values.mean()), *(float(each) for each in np.quantile(means, (0.025, 0.975)))]


def timed(make: Callable[[], p5rec.Model]) -> tuple[p5rec.Model, float]:
    """What ``make`` returns, and the processor seconds that it took."""
    started = time.process_time()
    return make(), time.process_time() - started


def compare(log: Log, asked: argparse.Namespace, store: Path) -> dict[str, Any]:
    """The figures of every slice."""
    settings = EPOCHS[asked.method](asked.epochs) if asked.epochs else {}
    if asked.no_text:
        settings["ids"] = {"vectors": {"text": None}}
    first = log.until(1)
    method = getattr(p5rec, asked.method)(**settings)
    chosen, seconds = timed(lambda: method.fit(first.split(), store=store, verbose=asked.verbose))
    print(f"chosen on slice 1 in {seconds:.0f} s: {chosen.describe().get('weights', '')}")
    stale = updated = refitted = chosen.refit(store=store, verbose=asked.verbose)
    print(f"slice 1: {stale.provenance.fitted}")
    rows = []
    for n in range(1, SLICES):
        row: dict[str, Any] = {"slice": n + 1}
        if n > 1:
            data = log.until(n)
            data.of_all_events().data  # noqa: B018  # prepared before the clock starts
            refitted, row["refit s"] = timed(
                lambda data=data: chosen.refit(data, store=store, verbose=asked.verbose)
            )
            before = updated
            updated, row["update s"] = timed(
                lambda data=data, before=before: before.update(
                    data, asked.share, store=store, verbose=asked.verbose
                )
            )
            row |= {"new users": len(updated.news.users), "new items": len(updated.news.items)}
            row["fitted"] = updated.provenance.fitted
        questions = log.questions(n + 1, asked.questions)
        models = {"stale": stale, "refit": refitted, "update": updated}
        found = {name: gains(m, questions, asked.include_seen) for name, m in models.items()}
        row |= {"users": len(found["stale"]), "questions": len(questions.users)}
        row |= {name: interval(values, n) for name, values in found.items()}
        row["update - stale"] = interval(found["update"] - found["stale"], n)
        row["update - refit"] = interval(found["update"] - found["refit"], n)
        row["unlisted targets"] = {
            name: float(1 - np.isin(questions.targets, m.items["item"].to_list()).mean())
            for name, m in models.items()
        }
        rows.append(row)
        print(json.dumps(row), flush=True)
    return {"method": asked.method, "settings": settings, "share": asked.share, "slices": rows}


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
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--share", type=float)
    parser.add_argument("--include-seen", action="store_true")
    parser.add_argument("--no-text", action="store_true")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    asked.item_of_table = asked.item_of_table or asked.item
    with TemporaryDirectory() as store:
        found = compare(Log.read(asked), asked, Path(store))
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
