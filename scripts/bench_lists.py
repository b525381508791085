"""Recommendations for many users: resuming after kills, several processes, and peak memory.

python scripts/bench_lists.py --out runs/lists [--users 20000] [--kills 10] [--more 50000]

Creates synthetic data, trains a compact decoder for a few steps, and runs ``p5rec recommend`` in
separate processes:

1. for ``--users`` users without interruption;
2. the same, killed with SIGKILL at ``--kills`` random moments and restarted each time;
3. the same in two processes (torchrun);
4. for a tenth of ``--more`` users and for all of them, with the peak memory of each.

It fails if the output of 2 or 3 differs from 1, or if a shard was computed twice.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

RECIPE = """\
data:
  source: synthetic
  synthetic: {{kind: markov, users: {users}, items: 500, events: 20}}
ids:
  semantic: {{levels: 2, codebook: 32, vectors: {{text: null}}}}
baselines: [popularity]
methods:
  small:
    backbone: {{kind: scratch, width: 64, layers: 2, heads: 2, feedforward: 128}}
    train: {{steps: 50, batch: 16}}
evaluate: {{splits: [valid], samples: 0}}
"""


def command(folder: Path, out: Path, *more: str) -> list[str]:
    """``p5rec recommend`` for the data in ``folder``."""
    model = folder / "run/models/small"
    return ["p5rec", "recommend", "--model", str(model), "--config", str(folder / "synthetic.yaml"),
            "--out", str(out), *more]  # fmt: skip


def done(shards: Path) -> dict[str, float]:
    """The finished shards and their modification times."""
    return {p.name: p.stat().st_mtime for p in shards.glob("*.parquet")}


def killed(words: list[str], out: Path, kills: int, shard: float) -> tuple[list[int], int]:
    """Runs to the end through ``kills`` kills, each at a random moment within two shards of
    ``shard`` seconds. Returns the number of shards after each kill, and of recomputed shards."""
    rng, shards = np.random.default_rng(0), out.with_name(f".{out.name}.shards")
    before: dict[str, float] = {}
    counts, redone = [], 0
    for _ in range(kills):
        with subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as run:
            wanted = len(before) + rng.integers(0, 2)
            while run.poll() is None and (not shards.exists() or len(done(shards)) < wanted):
                time.sleep(0.05)
            time.sleep(rng.uniform(0, shard))
            run.send_signal(signal.SIGKILL)
        after = done(shards)
        redone += sum(after.get(name, 0) != when for name, when in before.items())
        before = after
        counts.append(len(after))
    subprocess.run(words, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    return counts, redone


def peak(words: list[str]) -> tuple[float, float]:
    """Seconds and the peak memory in GiB of a command."""
    measure = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, "
        "stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20)"
    )
    started = time.perf_counter()
    results = subprocess.run([sys.executable, "-c", measure, *words], check=True,
                           capture_output=True, text=True)  # fmt: skip
    return time.perf_counter() - started, float(results.stdout)


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--users", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--more", type=int, default=50_000)
    options = parser.parse_args()
    folder = options.out.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "synthetic.yaml").write_text(RECIPE.format(users=max(options.users, options.more)))
    subprocess.run(["p5rec", "run", "sft", "--config", str(folder / "synthetic.yaml"),
                    "--out", str(folder / "run")], check=True)  # fmt: skip
    for name, users in (
        ("some", options.users),
        ("few", options.more // 10),
        ("many", options.more),
    ):
        pl.DataFrame({"user": [f"u{n}" for n in range(users)]}).write_csv(folder / f"{name}.csv")

    def words(name: str, users: str) -> tuple[list[str], Path]:
        out = folder / f"{name}.parquet"
        out.unlink(missing_ok=True)
        return command(folder, out, "--users", str(folder / f"{users}.csv")), out

    whole_words, whole = words("whole", "some")
    started = time.perf_counter()
    subprocess.run(whole_words, check=True, stderr=subprocess.DEVNULL)
    seconds = time.perf_counter() - started
    wanted = pl.read_parquet(whole)
    print(
        f"{options.users:,} users in {seconds:.1f} s, {options.users / seconds:.0f} users/s "
        "including start-up"
    )
    cut_words, cut = words("killed", "some")
    counts, redone = killed(cut_words, cut, options.kills, 1000 * seconds / options.users)
    same = pl.read_parquet(cut).equals(wanted)
    print(f"killed with {counts} shards done: then equal {same}, shards computed twice {redone}")
    two_words, two = words("two", "some")
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2",
              "--no-python", *two_words]  # fmt: skip
    started = time.perf_counter()
    subprocess.run(launch, check=True, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip
    both = pl.read_parquet(two)
    close = both.drop("score").equals(wanted.drop("score"))
    furthest = float((both["score"] - wanted["score"]).abs().max() or 0)
    print(f"two processes: {time.perf_counter() - started:.1f} s, same items and order {close}, "
          f"scores within {furthest:.1e}")  # fmt: skip
    memory = []
    for name in ("few", "many"):
        took, gib = peak(words(name, name)[0])
        memory.append(gib)
        print(f"{name}: {took:.1f} s, peak memory {gib:.3f} GiB")
    print(
        f"peak memory of {options.more:,} users / {options.more // 10:,}: "
        f"{memory[1] / memory[0]:.3f}"
    )
    if not (same and close and not redone):
        raise SystemExit("the lists differ, or shards were computed twice")


if __name__ == "__main__":
    main()
