"""Artefacts in use by a process stay in the cache; unused ones are pruned."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest
from small_shop import shop

import p5rec
from p5rec.api.dataset import _session
from p5rec.cli.main import main
from p5rec.core.artefacts import Store


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("P5REC_HOME", str(tmp_path / "home"))
    return tmp_path / "home/store"


def prune(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """The output of `p5rec cache prune` with deletion of all unreachable artefacts."""
    monkeypatch.setattr(sys, "argv", ["p5rec", "cache", "prune", "--unreachable", "--delete"])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    return capsys.readouterr().out


def stages(root: Path) -> list[str]:
    return sorted(path.parent.name for path in root.glob("[!.]*/[!.]*"))


def test_frames_stay_while_they_are_in_use(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train = shop().split()
    model = p5rec.Ease(l2=10.0).fit(train, verbose=False)
    before = stages(root)
    assert before == ["data", "fit", "frame", "frame", "model"]
    assert "deleted 0 stages" in prune(monkeypatch, capsys)
    assert stages(root) == before
    assert len(model.recommend(users=["u1"], k=3)) == 3
    _session.cache_clear()  # as at the end of the process
    gc.collect()
    assert "deleted 5 stages" in prune(monkeypatch, capsys)
    assert stages(root) == []


def test_frames_stay_with_the_run_that_uses_them(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    train = shop().split()
    (tmp_path / "run").mkdir()
    (tmp_path / "run/report.json").write_text("{}")
    run = Store(root, lambda _: None, 0)
    run.used.add(root, f"data/{train.data.key}")
    run.note_run(tmp_path / "run")
    del run
    p5rec.Ease(l2=10.0).fit(train, verbose=False)
    _session.cache_clear()
    gc.collect()
    prune(monkeypatch, capsys)
    assert stages(root) == ["data", "frame", "frame"]
