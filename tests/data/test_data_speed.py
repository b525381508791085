"""Memory limit: a million events of 50,000 items within 2 GB."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

PREPARE = """
import json, resource, sys
from pathlib import Path
from p5rec.data.config import DataConfig
from p5rec.data.prepare import load_corpus, prepare
config = DataConfig(source="table", path=sys.argv[1], items={"path": sys.argv[2]})
prepare(config, Path(sys.argv[3]))
log = load_corpus(Path(sys.argv[3])).interactions
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps([len(log), log.n_items, peak]))
"""


@pytest.mark.nightly
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in kilobytes on Linux alone")
def test_a_million_events(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    n, n_items, n_users = 1_000_000, 50_000, 80_000
    items = np.concatenate([np.arange(n_items), rng.zipf(1.3, n - n_items) % n_items])
    pl.DataFrame(
        {
            "user": rng.integers(0, n_users, n),
            "item": items,
            "rating": rng.integers(1, 6, n),
            "time": pl.from_epoch(pl.Series(rng.integers(1.5e9, 1.7e9, n))).dt.to_string("iso"),
        }
    ).write_csv(tmp_path / "log.csv")
    table = {"item": np.arange(n_items), "title": [f"Title of item {i}" for i in range(n_items)]}
    pl.DataFrame(table).write_csv(tmp_path / "items.csv")
    names = [str(tmp_path / name) for name in ("log.csv", "items.csv", "out")]
    done = subprocess.run(
        [sys.executable, "-c", PREPARE, *names], capture_output=True, text=True, check=True
    )
    events, catalogue, peak = json.loads(done.stdout)
    assert events > 990_000  # a few exact repeats are dropped
    assert catalogue == n_items
    assert peak < 2 * 2**30
