"""Time from ``import p5rec`` in a fresh interpreter to the first recommendation of a saved model.

python scripts/bench_load.py [MODEL_FOLDER] [--processes 5] [--threads 1]

Without a folder, the hybrid is fitted to MovieLens 100k, its network for one epoch; the load time
does not depend on the training. Each process loads the model and recommends for one new history.
Prints medians of wall time, and processor time, which other programs influence less.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

CHILD = """
import json, os, sys, time
started = time.perf_counter()
import p5rec
imported = time.perf_counter()
model = p5rec.load(sys.argv[1])
item = model.items["item"][0]
model.recommend(histories=[[item]], k=10)
ended = time.perf_counter()
model.recommend(histories=[[item]], k=10)
again = time.perf_counter()
print(json.dumps({
    "import p5rec": imported - started, "to the first list": ended - started,
    "second list": again - ended, "processor time": sum(os.times()[:2]),
}))
"""


def fitted(folder: Path) -> Path:
    """Saves a hybrid into ``folder``."""
    import p5rec

    train = p5rec.Dataset.from_file("ml-100k", source="recbole").split("leave-one-out")
    components = {"network": {"train": {"epochs": {"max_epochs": 1}}}}
    p5rec.Hybrid(components=components).fit(train, verbose=False).save(folder)
    return folder


def measured(folder: Path, threads: int) -> dict[str, float]:
    """Seconds of one process, by step."""
    surroundings = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder)],
        env=surroundings, capture_output=True, text=True, check=True,
    )  # fmt: skip
    results: dict[str, float] = json.loads(done.stdout)
    return results


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    with TemporaryDirectory() as work:
        folder = options.folder or fitted(Path(work) / "hybrid")
        measured(folder, options.threads)  # fills the system's file cache
        runs = [measured(folder, options.threads) for _ in range(options.processes)]
    for name in runs[0]:
        each = sorted(run[name] for run in runs)
        print(f"{name:18} {statistics.median(each):7.3f} s  ({each[0]:.3f} to {each[-1]:.3f})")


if __name__ == "__main__":
    main()
