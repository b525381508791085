"""How long a fresh interpreter takes from ``import p5rec`` to a saved model's first list.

python scripts/bench_load.py [MODEL_FOLDER] [--processes 5] [--threads 1]

Without a folder the hybrid is fitted to MovieLens 100k, its network for one epoch: weights that
have learned more take no longer to load. Each process loads the model, makes one list for a new
history, and tells how long either took; medians are printed, and processor time beside the clock's,
which is larger where other programs are at work.
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
    """Seconds of one process, by what took them."""
    surroundings = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder)],
        env=surroundings, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    with TemporaryDirectory() as work:
        folder = asked.folder or fitted(Path(work) / "hybrid")
        measured(folder, asked.threads)  # files come into the system's cache
        runs = [measured(folder, asked.threads) for _ in range(asked.processes)]
    for name in runs[0]:
        each = sorted(run[name] for run in runs)
        print(f"{name:18} {statistics.median(each):7.3f} s  ({each[0]:.3f} to {each[-1]:.3f})")


if __name__ == "__main__":
    main()
