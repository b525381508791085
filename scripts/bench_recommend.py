"""How long ``p5rec recommend`` takes for one user, from a fresh interpreter to the file on disk.

python scripts/bench_recommend.py RUN_FOLDER [METHOD ...] [--processes 5] [--user ID]

Methods are those of the run (default: all whose folders are there). All processes run on one core
with one thread. The first of each method is not counted: it brings files into the system's cache.
Medians are printed with the smallest and largest, processor time beside the clock's, which is
larger where other programs are at work.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

COMMAND = [sys.executable, "-c", "from p5rec.cli.main import main; main()", "recommend"]


def first_user(run: Path) -> str:
    """A user for whom the run wrote a list."""
    lists = min((run / "lists").glob("*.parquet"))
    return str(pl.read_parquet(lists, columns=["user"], n_rows=1).item())


def measured(model: Path, user: str, work: Path) -> tuple[float, float]:
    """Seconds of one process: the clock's and the processor's."""
    users, out = work / "users.csv", work / "lists.csv"
    pl.DataFrame({"user": [user]}).write_csv(users)
    for left in work.glob("lists.csv*"):
        left.unlink()
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [*COMMAND, "--model", model, "--users", users, "--out", out],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, check=True,
    )  # fmt: skip
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, spent


def main() -> None:
    """Reads the command line; prints a line for each method."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("methods", nargs="*")
    parser.add_argument("--processes", type=int, default=5)
    parser.add_argument("--user")
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    models, user = options.run / "models", options.user or first_user(options.run)
    with TemporaryDirectory() as work:
        for name in options.methods or sorted(path.name for path in models.iterdir()):
            measured(models / name, user, Path(work))
            runs = [measured(models / name, user, Path(work)) for _ in range(options.processes)]
            clock, spent = (sorted(column) for column in zip(*runs, strict=True))
            print(
                f"{name:18} {statistics.median(clock):6.2f} s  ({clock[0]:.2f} to {clock[-1]:.2f})"
                f"  processor {statistics.median(spent):6.2f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
