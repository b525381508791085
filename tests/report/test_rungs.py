"""Files of rungs: reading, the file of the wheel, and equality to the reports."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
import zipfile
from dataclasses import asdict
from pathlib import Path

import pytest

from p5rec.core.errors import UserError
from p5rec.core.paths import RESULTS
from p5rec.evaluate.schema import load_report
from p5rec.report import rungs, systems
from p5rec.report.rungs import Rung, collected, read_rung

ROOT = Path(__file__).parents[2]
MEASURED = runpy.run_path(str(ROOT / "scripts" / "record_rung.py"))["measured"]
OF_REPORTS = [path for rung in ("G2", "G3") for path in sorted(RESULTS.glob(f"*/{rung}.json"))]
RUNG = Rung("G1", True, "found", "AUC", 0.1, 0.05, 0.15, None, "scripts/ladder x", {"test": "t"})


def write(folder: Path, name: str, **changes: object) -> Path:
    path = folder / "x" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({**asdict(RUNG), **changes}))
    return path


def test_rungs_are_read_by_system(tmp_path: Path) -> None:
    write(tmp_path, "G2.json", rung="G2")
    write(tmp_path, "G1.json")
    (tmp_path / "x" / "report.json").write_text("{}")
    (ladder,) = collected(tmp_path).values()
    assert ladder[0] == RUNG
    assert [rung.rung for rung in ladder] == ["G1", "G2"]


@pytest.mark.parametrize(
    ("name", "changes", "got"),
    [
        ("G1.json", {"p": 0.1}, "other keys"),
        ("G2.json", {}, "the rung 'G1'"),
        ("G7.json", {"rung": "G7"}, "the rung 'G7'"),
    ],
)
def test_a_damaged_rung_is_an_error_of_one_line(
    name: str, changes: dict[str, object], got: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=got) as caught:
        read_rung(write(tmp_path, name, **changes))
    assert len(caught.value.lines) == 1


def test_committed_rungs_belong_to_a_system() -> None:
    assert collected().keys() <= {system.name for system in systems.SYSTEMS}


@pytest.mark.parametrize("path", OF_REPORTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_committed_rungs_equal_their_reports(path: Path) -> None:
    rung = read_rung(path)
    named = {key: value for key, value in rung.source.items() if key != "report"}
    numbers = MEASURED(load_report(ROOT / rung.source["report"]), named)
    assert numbers == {name: getattr(rung, name) for name in numbers}


def test_a_wheel_has_the_rungs_of_the_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*command, "--directory", tmp_path], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    shipped = tmp_path / "rungs.json"
    shipped.write_bytes(zipfile.ZipFile(wheel).read("p5rec/_assets/rungs.json"))
    of_clone = systems.entries()
    monkeypatch.setattr(rungs, "SHIPPED_RUNGS", shipped)
    monkeypatch.setattr(rungs, "collected", lambda: pytest.fail("the clone was read"))
    assert systems.entries() == of_clone
