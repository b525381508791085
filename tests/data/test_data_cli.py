"""``p5rec data`` and ``p5rec audit`` on the command line, and the statistics of ``describe``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from p5rec.cli.main import main
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.describe import describe
from p5rec.data.prepare import load_corpus
from p5rec.data.registry import SOURCES


@pytest.fixture
def p5rec(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Any:
    """Runs the command line; returns exit code, stdout, stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["p5rec", *map(str, words)])
        with pytest.raises(SystemExit) as caught:
            main()
        out, err = capsys.readouterr()
        return int(caught.value.code or 0), out, err

    return run


@pytest.fixture
def recipe(table: Path) -> Path:
    path = table.with_name("my.yaml")
    path.write_text(
        f"seed: 3\ndata:\n  source: table\n  path: {table}\n"
        f"  items:\n    path: {table.with_name('items.csv')}\ntrain:\n  steps: 5\n"
    )
    return path


def test_sources_lists_the_registry(p5rec: Any) -> None:
    code, out, _ = p5rec("data", "sources")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == list(SOURCES)


def test_describe(p5rec: Any, recipe: Path) -> None:
    code, out, _ = p5rec("data", "describe", recipe, "--json", "data.min_rating=2")
    result = json.loads(out)
    assert code == 0
    assert (result["users"], result["items"], result["events"]) == (3, 3, 6)
    assert result["dropped"]["min_rating"] == 1
    assert result["ratings"] == {"2": 1, "3": 1, "4": 2, "5": 2}
    assert result["times"] == {"first": "1997-12-04", "last": "1997-12-04"}
    code, out, _ = p5rec("data", "describe", "--source", "synthetic")
    assert code == 0
    assert "2,400" in next(line for line in out.splitlines() if line.startswith("events "))


def test_prepare_writes_a_corpus(p5rec: Any, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "prepared"
    assert p5rec("data", "prepare", recipe, "--out", out)[0] == 0
    assert len(load_corpus(out).interactions) == 7
    assert p5rec("audit", out)[0] == 0
    assert p5rec("audit", recipe)[0] == 0


def test_errors_are_one_line(p5rec: Any, recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "prepared"
    code, message, err = p5rec("data", "prepare", recipe, "--out", out, "data.splt=time")
    assert (code, message, len(err.splitlines())) == (2, "", 1)
    assert "did you mean 'split'?" in err
    assert not out.exists()
    assert p5rec("data", "describe")[0] == 2
    assert p5rec("audit", tmp_path / "nowhere")[0] == 2
    recipe.write_text("seed: 1\n")
    code, _, err = p5rec("audit", recipe)
    assert (code, "expected a section `data:`" in err) == (2, True)


def test_audit_exits_1_on_a_leak(p5rec: Any, tmp_path: Path) -> None:
    lines = [f"{u} {' '.join(str(5 * u + j) for j in range(5))}" for u in range(30)]
    (tmp_path / "s.txt").write_text("\n".join(lines))
    (tmp_path / "c.yaml").write_text(f"data: {{source: sequences, path: {tmp_path / 's.txt'}}}\n")
    code, out, _ = p5rec("audit", tmp_path / "c.yaml")
    assert code == 1
    assert "1 ids by appearance" in out


def test_describe_by_hand(table: Path) -> None:
    result = describe(build(DataConfig(source="table", path=str(table)))[0])
    assert result["density"] == pytest.approx(7 / 9)
    assert result["events_per_user"] == {"min": 1, "q25": 2, "median": 3, "q75": 3, "max": 3}
    assert result["tied_times"] == pytest.approx(2 / 7)
    assert result["repeated_pairs"] == 0
    assert result["new_test_users"] == 0
    assert result["split"] == {"name": "leave-one-out", "train": 3, "valid": 2, "test": 2}
    assert result["attributes"] == []
