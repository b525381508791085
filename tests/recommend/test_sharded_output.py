"""Sharded output: the merged shards equal the output of one run, after any interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from p5rec.core.errors import UserError
from p5rec.data.known import read_columns
from p5rec.recommend.sharded_output import write_in_shards

READ = {".parquet": pl.read_parquet, ".jsonl": pl.read_ndjson, ".csv": pl.read_csv}
KEY = {"model": "m"}


def output_rows(requests: np.ndarray) -> pl.DataFrame:
    """Request n has n % 4 rows, so shards differ in length and some requests have no rows."""
    owner = np.repeat(requests, requests % 4)
    return pl.DataFrame({"user": owner, "name": [f"né {n}" for n in owner], "score": owner / 7})


class Counted:
    """Counts its requests; raises an error at one of them."""

    def __init__(self, stop: int = -1, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.computed, self.stop, self.error = 0, stop, error

    def __call__(self, requests: np.ndarray) -> pl.DataFrame:
        if self.stop in requests:
            raise self.error("stopped")
        self.computed += len(requests)
        return output_rows(requests)


def write(compute: Callable, *outs: Path, total: int = 53, key: dict | None = None) -> int:
    return write_in_shards(compute, total, outs, key or KEY, unit="user", shard_size=10)


def test_merged_shards_equal_the_full_output_in_every_format(tmp_path: Path) -> None:
    outs = [tmp_path / f"a{ending}" for ending in READ]
    rows = write(output_rows, *outs)
    expected = output_rows(np.arange(53))
    assert rows == len(expected)
    for out in outs:
        frame = READ[out.suffix](out)
        assert frame.cast(expected.schema).equals(expected), out
    names = [*(out.name for out in outs), "a.parquet.manifest.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_complete_output_is_not_computed_again(tmp_path: Path) -> None:
    out, compute = tmp_path / "a.csv", Counted()
    rows = write(compute, out)
    manifest = json.loads((tmp_path / "a.csv.manifest.json").read_text())
    assert (manifest["rows"], manifest["key"]["model"]) == (rows, "m")
    assert write(compute, out) == rows
    assert compute.computed == 53
    expected = out.read_bytes()
    for damage in (
        lambda: out.write_bytes(expected[:-9]),
        lambda: out.unlink(),
        lambda: (tmp_path / "a.csv.manifest.json").write_text("{"),
    ):
        damage()
        again = Counted()
        assert write(again, out) == rows
        assert (again.computed, out.read_bytes()) == (53, expected)
    other = Counted()
    write(other, out, key={"model": "another"})
    assert other.computed == 53


def test_complete_shards_are_not_computed_again(tmp_path: Path) -> None:
    out, compute = tmp_path / "a.parquet", Counted(stop=35)
    with pytest.raises(KeyboardInterrupt):
        write(compute, out)
    assert compute.computed == 30
    assert not out.exists()
    again = Counted()
    write(again, out)
    assert again.computed == 23
    assert pl.read_parquet(out).equals(output_rows(np.arange(53)))
    assert {p.name for p in tmp_path.iterdir()} == {out.name, f"{out.name}.manifest.json"}


def test_another_key_computes_everything_again(tmp_path: Path) -> None:
    out = tmp_path / "a.parquet"
    with pytest.raises(KeyboardInterrupt):
        write(Counted(stop=35), out)
    for changes in ({"key": {"model": "another"}}, {"total": 52}):
        with pytest.raises(KeyboardInterrupt):
            write(Counted(stop=35), out, **changes)
        again = Counted(stop=51)
        with pytest.raises(KeyboardInterrupt):
            write(again, out)
        assert again.computed == 50


def test_an_error_at_the_first_request_leaves_no_files(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        write(Counted(stop=0, error=UserError), tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []


SCRIPT = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_sharded_output import output_rows
from p5rec.recommend.sharded_output import write_in_shards

def compute(requests):
    time.sleep({pause})
    return output_rows(requests)

out = Path({out!r})
print(write_in_shards(compute, 53, [out], {{"model": "m"}}, unit="user", shard_size=10))
"""


def start(out: Path, pause: float = 0.0, **env: str) -> subprocess.Popen[str]:
    script = SCRIPT.format(tests=str(Path(__file__).parent), pause=pause, out=str(out))
    return subprocess.Popen(
        [sys.executable, "-c", script], env={**os.environ, **env}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def free_port() -> str:
    computed = "import socket; s = socket.socket(); s.bind(('', 0)); print(s.getsockname()[1])"
    frame = subprocess.run([sys.executable, "-c", computed], capture_output=True, text=True)
    return frame.stdout.strip()


@pytest.mark.nightly
def test_two_processes_equal_one(tmp_path: Path) -> None:
    out = tmp_path / "a.parquet"
    meeting = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    both = [start(out, RANK=str(rank), **meeting) for rank in (1, 0)]
    outputs = [int(process.communicate(timeout=60)[0]) for process in both]
    expected = output_rows(np.arange(53))
    assert outputs == [0, len(expected)]
    assert pl.read_parquet(out).equals(expected)
    assert {p.name for p in tmp_path.iterdir()} == {out.name, f"{out.name}.manifest.json"}


@pytest.mark.nightly
def test_a_killed_run_resumes_to_the_same_result(tmp_path: Path) -> None:
    out, rng = tmp_path / "a.parquet", np.random.default_rng(0)
    for _ in range(3):
        process = start(out, pause=0.15)
        deadline = time.monotonic() + 30
        while not (tmp_path / ".a.parquet.shards").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if out.exists():
            break
    compute = Counted()
    write(compute, out)
    assert compute.computed < 53
    assert pl.read_parquet(out).equals(output_rows(np.arange(53)))
    assert {p.name for p in tmp_path.iterdir()} == {out.name, f"{out.name}.manifest.json"}


TITLES = [
    '15" screen, black',
    "two\nlines",
    '"quoted"',
    "a;b\tc",
    " blanks ",
    "01003",
    "\u2028",
    "#",
]


def test_output_is_read_back_from_any_file_name(tmp_path: Path) -> None:
    def compute(requests: np.ndarray) -> pl.DataFrame:
        titles = [TITLES[n % len(TITLES)] for n in requests]
        return pl.DataFrame({"user": [f"0{n}" for n in requests], "title": titles})

    for ending in READ:
        out = tmp_path / f"lists[1]{ending}"
        (tmp_path / f"lists1{ending}").write_text("another file")
        assert write(compute, out, key={"of": ending}) == 53
        frame = read_columns(out, ["user", "title"])
        assert frame.drop("row").equals(compute(np.arange(53)))
