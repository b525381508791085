"""The time of ``p5rec recommend`` for one user, from a fresh interpreter to the file on disk.

python scripts/bench_recommend.py RUN_FOLDER [METHOD ...] [--processes 5] [--user ID]

METHOD is a method of the run (default: all with a saved model). All processes run on one core with
one thread. The first process of each method fills the file cache of the system and is not counted.
The output is the median, minimum and maximum of wall time and the median of processor time. Wall
time is longer while other programs run.
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
    """The first user of the run's recommendations."""
    lists = min((run / "lists").glob("*.parquet"))
    return str(pl.read_parquet(lists, columns=["user"], n_rows=1).item())


def measure(model: Path, user: str, work: Path) -> tuple[float, float]:
    """Wall time and processor time of one process, seconds."""
    users, out = work / "users.csv", work / "lists.csv"
    pl.DataFrame({"user": [user]}).write_csv(users)
    for old in work.glob("lists.csv*"):
        old.unlink()
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [*COMMAND, "--model", model, "--users", users, "--out", out],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, check=True,
    )  # fmt: skip
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, spent


def main() -> None:
    """Parses the command line; prints one line per method."""
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
            measure(models / name, user, Path(work))
            runs = [measure(models / name, user, Path(work)) for _ in range(options.processes)]
            wall, processor = (sorted(column) for column in zip(*runs, strict=True))
            print(
                f"{name:18} {statistics.median(wall):6.2f} s  ({wall[0]:.2f} to {wall[-1]:.2f})"
                f"  processor {statistics.median(processor):6.2f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
