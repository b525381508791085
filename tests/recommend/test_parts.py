"""Answers in parts: joined they are the whole, whatever happened on the way."""

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


def rows_of(questions: np.ndarray) -> pl.DataFrame:
    """Question n has n % 4 rows, so parts differ in length and some questions have no answer."""
    owner = np.repeat(questions, questions % 4)
    return pl.DataFrame({"user": owner, "name": [f"né {n}" for n in owner], "score": owner / 7})


class Counted:
    """Counts the questions it is asked; stops at one of them."""

    def __init__(self, stop: int = -1, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.asked, self.stop, self.error = 0, stop, error

    def __call__(self, questions: np.ndarray) -> pl.DataFrame:
        if self.stop in questions:
            raise self.error("stopped")
        self.asked += len(questions)
        return rows_of(questions)


def write(answer: Callable, *outs: Path, total: int = 53, key: dict | None = None) -> int:
    return write_in_shards(answer, total, outs, key or KEY, unit="user", part=10)


def test_the_parts_joined_are_the_whole_in_every_format(tmp_path: Path) -> None:
    outs = [tmp_path / f"a{ending}" for ending in READ]
    rows = write(rows_of, *outs)
    whole = rows_of(np.arange(53))
    assert rows == len(whole)
    for out in outs:
        found = READ[out.suffix](out)
        assert found.cast(whole.schema).equals(whole), out
    names = [*(out.name for out in outs), "a.parquet.manifest.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


def test_what_is_there_already_is_not_made_again(tmp_path: Path) -> None:
    out, answer = tmp_path / "a.csv", Counted()
    rows = write(answer, out)
    told = json.loads((tmp_path / "a.csv.manifest.json").read_text())
    assert (told["rows"], told["key"]["model"]) == (rows, "m")
    assert write(answer, out) == rows
    assert answer.asked == 53
    whole = out.read_bytes()
    for damage in (
        lambda: out.write_bytes(whole[:-9]),
        lambda: out.unlink(),
        lambda: (tmp_path / "a.csv.manifest.json").write_text("{"),
    ):
        damage()
        again = Counted()
        assert write(again, out) == rows
        assert (again.asked, out.read_bytes()) == (53, whole)
    other = Counted()
    write(other, out, key={"model": "another"})
    assert other.asked == 53


def test_what_was_answered_before_a_stop_is_not_asked_again(tmp_path: Path) -> None:
    out, answer = tmp_path / "a.parquet", Counted(stop=35)
    with pytest.raises(KeyboardInterrupt):
        write(answer, out)
    assert answer.asked == 30
    assert not out.exists()
    again = Counted()
    write(again, out)
    assert again.asked == 23
    assert pl.read_parquet(out).equals(rows_of(np.arange(53)))
    assert {p.name for p in tmp_path.iterdir()} == {out.name, f"{out.name}.manifest.json"}


def test_under_another_key_all_is_asked_anew(tmp_path: Path) -> None:
    out = tmp_path / "a.parquet"
    with pytest.raises(KeyboardInterrupt):
        write(Counted(stop=35), out)
    for changes in ({"key": {"model": "another"}}, {"total": 52}):
        with pytest.raises(KeyboardInterrupt):
            write(Counted(stop=35), out, **changes)
        again = Counted(stop=51)
        with pytest.raises(KeyboardInterrupt):
            write(again, out)
        assert again.asked == 50


def test_a_fault_at_the_first_question_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        write(Counted(stop=0, error=UserError), tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []


SCRIPT = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_parts import rows_of
from p5rec.recommend.sharded_output import write_in_shards

def answer(questions):
    time.sleep({pause})
    return rows_of(questions)

print(write_in_shards(answer, 53, [Path({out!r})], {{"model": "m"}}, unit="user", part=10))
"""


def start(out: Path, pause: float = 0.0, **env: str) -> subprocess.Popen[str]:
    script = SCRIPT.format(tests=str(Path(__file__).parent), pause=pause, out=str(out))
    return subprocess.Popen(
        [sys.executable, "-c", script], env={**os.environ, **env}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def free_port() -> str:
    asked = "import socket; s = socket.socket(); s.bind(('', 0)); print(s.getsockname()[1])"
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True)
    return found.stdout.strip()


@pytest.mark.nightly
def test_two_processes_give_what_one_gives(tmp_path: Path) -> None:
    out = tmp_path / "a.parquet"
    meeting = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    both = [start(out, RANK=str(rank), **meeting) for rank in (1, 0)]
    said = [int(process.communicate(timeout=60)[0]) for process in both]
    whole = rows_of(np.arange(53))
    assert said == [0, len(whole)]
    assert pl.read_parquet(out).equals(whole)
    assert {p.name for p in tmp_path.iterdir()} == {out.name, f"{out.name}.manifest.json"}


@pytest.mark.nightly
def test_killed_at_any_moment_it_goes_on_to_the_same_result(tmp_path: Path) -> None:
    out, rng = tmp_path / "a.parquet", np.random.default_rng(0)
    for _ in range(3):
        process = start(out, pause=0.15)
        deadline = time.monotonic() + 30
        while not (tmp_path / ".a.parquet.parts").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(rng.uniform(0, 0.4))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if out.exists():
            break
    answer = Counted()
    write(answer, out)
    assert answer.asked < 53
    assert pl.read_parquet(out).equals(rows_of(np.arange(53)))
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


def test_what_is_written_is_read_back_whatever_the_file_is_called(tmp_path: Path) -> None:
    def answer(questions: np.ndarray) -> pl.DataFrame:
        titles = [TITLES[n % len(TITLES)] for n in questions]
        return pl.DataFrame({"user": [f"0{n}" for n in questions], "title": titles})

    for ending in READ:
        out = tmp_path / f"lists[1]{ending}"
        (tmp_path / f"lists1{ending}").write_text("another file")
        assert write(answer, out, key={"of": ending}) == 53
        found = read_columns(out, ["user", "title"])
        assert found.drop("row").equals(answer(np.arange(53)))
