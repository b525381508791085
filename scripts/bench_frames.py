"""Cost of a frame through the Python API relative to the same events on the command line.

python scripts/bench_frames.py [--events 1000000] [--runs 3]

Each variant runs in a separate process with an empty cache. The command line prepares a Parquet
file (``p5rec data prepare``). Python reads the file into a frame and builds a data set with a
split. Prints medians of processor seconds and of peak memory. For Python it also prints both
without the cost of the frame, which a process that only reads the file measures.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl

ITEMS, USERS = 50_000, 80_000
COMMAND = """
import sys
from p5rec.cli.main import main
sys.argv = ["p5rec", "data", "prepare", "--source", "table", "--path", sys.argv[1], "--out", "out"]
main()
"""
FRAME = """
import sys
import {library}
events = {library}.read_parquet(sys.argv[1])
"""
DATASET = """
import p5rec
train = p5rec.Dataset.from_frame(events).split("leave-one-out")
assert len(train.corpus.interactions) == train.summary["events"]
"""
LIBRARIES = ("polars", "pandas")


@dataclass(frozen=True)
class Cost:
    """Processor seconds and peak memory in megabytes of a process."""

    seconds: float
    peak: float


def cost(code: str, log: Path, folder: Path) -> Cost:
    """The cost of ``code`` in a separate process with an empty cache."""
    with TemporaryDirectory(dir=folder) as work:
        surroundings = {**os.environ, "P5REC_HOME": f"{work}/home"}
        child = subprocess.Popen(
            [sys.executable, "-c", code, str(log)], cwd=work, env=surroundings,
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        sys.exit(f"a process ended with {child.returncode}")
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def typical(code: str, log: Path, folder: Path, runs: int) -> Cost:
    """The median cost of several processes."""
    results = [cost(code, log, folder) for _ in range(runs)]
    return Cost(median(c.seconds for c in results), median(c.peak for c in results))


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    n, rng = options.events, np.random.default_rng(0)
    with TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "log.parquet"
        pl.DataFrame(
            {
                "user": rng.integers(0, USERS, n),
                "item": rng.zipf(1.3, n) % ITEMS,
                "rating": rng.integers(1, 6, n).astype(np.float64),
                "time": rng.integers(int(1.5e9), int(1.7e9), n),
            }
        ).with_columns(
            pl.format("u{}", "user"), pl.format("i{}", "item"), pl.from_epoch("time", "s")
        ).write_parquet(log)
        command = typical(COMMAND, log, folder, options.runs)
        print(f"{n:,} events          seconds   ratio    peak MB   ratio")
        print(f"command line          {command.seconds:8.2f}          {command.peak:8.0f}")
        for library in LIBRARIES:
            read = FRAME.format(library=library)
            frame_only = typical(read, log, folder, options.runs)
            full = typical(read + DATASET, log, folder, options.runs)
            net = Cost(full.seconds - frame_only.seconds, full.peak - frame_only.peak)
            for what, own in ((library, full), (f"{library}, without frame", net)):
                print(
                    f"{what:21} {own.seconds:8.2f} {own.seconds / command.seconds:7.2f}"
                    f"   {own.peak:8.0f} {own.peak / command.peak:7.2f}"
                )


if __name__ == "__main__":
    main()
