"""A stream of requests to forget, checked after each quarter.

python scripts/forget_stream.py FOLDER [--requests 100] [--config my.yaml] [--json out.json]

The requests come in turns from the users with most events, with fewest, and at random. After each
quarter a run of a log that never had the forgotten users, with an empty cache, must have the same
stages bit for bit. The table has, for each quarter, the seconds of a request, the share of the
adapters that were trained again, and the metric of the first method.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

import p5rec
from p5rec.cli.forget import app as forget_app
from p5rec.cli.run import Options, execute, resolve
from p5rec.core.content import content_hash
from p5rec.forget.receipt import read_receipt
from p5rec.forget.stages import Stages
from p5rec.report.markdown import table

CONFIG: dict[str, Any] = {
    "data": {
        "source": "table", "path": "log.csv", "split": "user-time", "label": {"rating_at_least": 4},
        "items": {"path": "items.csv", "columns": {"item": "item", "title": "title"}},
    },
    "ids": {},
    "baselines": [],
    "methods": {
        "apa": {
            "kind": "apa",
            "backbone": {
                "kind": "scratch", "width": 32, "layers": 2, "heads": 2, "feedforward": 64,
                "lora": {"rank": 4},
            },
            "prompt": {"history": 4},
            "example_share": 0.02,
            "partition": "user",
            "similarity": "tokens",
            "validation": 200,
            "train": {"epochs": 1, "batch": 8},
            "tune": {},
        }
    },
    "evaluate": {"lists": False, "prompts": {"click": 500}, "samples": 0},
}  # fmt: skip


def order_of(events: pl.DataFrame, count: int) -> list[str]:
    """``count`` users: core, edge and random ones in turns."""
    sizes = events.group_by("user").len().sort("len", "user")["user"].to_list()
    shuffled = np.random.default_rng(0).permutation(sizes).tolist()
    turns = chain.from_iterable(zip(reversed(sizes), sizes, shuffled, strict=True))
    return list(islice(dict.fromkeys(turns), count))


def run(folder: Path) -> None:
    """Runs the config in ``folder`` with the folder's own cache, on one thread."""
    os.environ["P5REC_HOME"] = str(folder / "home")
    os.chdir(folder)
    script, path = resolve("my.yaml", "")
    execute(script, path, [], Options(out=Path("run"), jobs=1))


def hashes(folder: Path) -> Counter[tuple[str, str]]:
    """The stages of the run in ``folder``."""
    used = Stages.read(folder / "home/store").of_run(folder / "run").values()
    return Counter((stage.kind, content_hash(stage.path)) for stage in used)


def begin(folder: Path, events: pl.DataFrame, items: pl.DataFrame, config: dict[str, Any]) -> None:
    """Writes the log, its items and the config, and runs it."""
    folder.mkdir()
    events.write_csv(folder / "log.csv")
    items.write_csv(folder / "items.csv")
    (folder / "my.yaml").write_text(yaml.safe_dump(config))
    run(folder)


def quarter(here: Path, users: list[str]) -> tuple[float, Counter[str]]:
    """Forgets ``users`` one by one; seconds, and what became of the adapters."""
    started, states = time.perf_counter(), Counter[str]()
    for user in users:
        before = set((here / "home/forget/receipts").glob("*.json"))
        words = ["--user", user, "--run", "run", "--yes", "--jobs", "1"]
        forget_app(words, standalone_mode=False)
        (made,) = set((here / "home/forget/receipts").glob("*.json")) - before
        artefacts = read_receipt(made).artefacts
        states += Counter(one.state for one in artefacts if one.stage == "adapter")
    return time.perf_counter() - started, states


def main() -> None:
    """Prints a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--config", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    config = yaml.safe_load(options.config.read_text()) if options.config else CONFIG
    root = options.folder.resolve()
    root.mkdir()
    data = p5rec.Dataset.from_file("ml-100k", source="recbole")
    events, items = (pl.DataFrame(each) for each in (data.events, data.items))
    items = items.select("item", "title")
    users = order_of(events, options.requests)
    here, rows = root / "here", []
    begin(here, events, items, config)
    for number, part in enumerate(np.array_split(np.array(users), 4), 1):
        os.environ["P5REC_HOME"] = str(here / "home")
        os.chdir(here)
        seconds, states = quarter(here, part.tolist())
        gone = users[: users.index(part[-1]) + 1]
        never = root / f"never-{number}"
        begin(never, events.filter(~pl.col("user").is_in(gone)), items, config)
        report = json.loads((here / "run/report.json").read_text())
        metric, measure = next(iter(report["methods"][0]["metrics"].items()))
        trained = states["computed again"] + states["new"]
        every = max(1, trained + states["untouched"])
        rows.append([
            str(number), str(len(gone)), f"{seconds / len(part):.1f}", f"{trained / every:.2f}",
            "yes" if hashes(here) == hashes(never) else "NO", f"{metric} {measure['value']:.4f}",
        ])  # fmt: skip
    head = ["quarter", "users gone", "s a request", "adapters trained again", "equal", "metric"]
    print("\n".join(table(head, rows)))
    if options.json is not None:
        options.json.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
