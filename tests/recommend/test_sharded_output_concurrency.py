"""Two commands that write one file at the same time take turns."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from time import sleep
from typing import Any

import numpy as np
import polars as pl
import pytest

from p5rec.recommend.sharded_output import write_in_shards


class Slow:
    """Computes after it is released."""

    def __init__(self, factor: int, waits: bool) -> None:
        self.factor, self.computed = factor, 0
        self.started, self.go = Event(), Event()
        if not waits:
            self.go.set()

    def __call__(self, requests: np.ndarray) -> pl.DataFrame:
        self.started.set()
        assert self.go.wait(30)
        self.computed += len(requests)
        return pl.DataFrame({"n": requests * self.factor})


def write(compute: Slow, outs: list[Path], key: str) -> int:
    return write_in_shards(compute, 30, outs, {"model": key}, unit="user", shard_size=10)


def both(outs: Any, keys: Any, capsys: Any) -> tuple[Slow, Slow]:
    first, second = Slow(1, waits=True), Slow(2, waits=False)
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(write, first, outs[0], keys[0])
        assert first.started.wait(30)
        other = pool.submit(write, second, outs[1], keys[1])
        stderr = ""
        while "waiting" not in stderr:
            assert not other.done(), f"it did not wait: {other.exception() or stderr!r}"
            stderr += capsys.readouterr().err
            sleep(0.01)
        assert "another run is writing" in stderr
        first.go.set()
        assert (one.result(), other.result()) == (30, 30)
    return first, second


def test_the_second_of_two_equal_commands_finds_the_result(tmp_path: Path, capsys: Any) -> None:
    out = tmp_path / "a.parquet"
    first, second = both(([out], [out]), ("m", "m"), capsys)
    assert (first.computed, second.computed) == (30, 0)
    assert pl.read_parquet(out)["n"].to_list() == list(range(30))
    assert {p.name for p in tmp_path.iterdir()} == {out.name, f"{out.name}.manifest.json"}


@pytest.mark.parametrize("position", [0, 1])
def test_a_different_command_waits_and_writes_its_own_output(
    tmp_path: Path, capsys: Any, position: int
) -> None:
    """The shared file is the command's first or second."""
    shared, own = tmp_path / "a.csv", tmp_path / "b.parquet"
    outs = [shared] if position == 0 else [own, shared]
    first, second = both((outs, [shared]), ("m", "other"), capsys)
    assert (first.computed, second.computed) == (30, 30)
    assert pl.read_csv(shared)["n"].to_list() == list(range(0, 60, 2))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
