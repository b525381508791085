"""What stages took: sums, clock time, processes."""

from __future__ import annotations

from pathlib import Path

import pytest
from stages import CODE, CountingStage

from p5rec.core.artefacts import Store
from p5rec.core.spent import Spent, clock_seconds, spent_on, total_seconds


def test_parallel_stages_count_once_on_the_clock() -> None:
    first, within, over, later = (
        Spent(100, 10, 1), Spent(102, 3, 1), Spent(105, 8, 1), Spent(500, 2, 1)
    )  # fmt: skip
    assert total_seconds([first, within, over, later]) == 23
    assert clock_seconds([later, over, within, first]) == 15
    assert clock_seconds([first, later]) == 12
    assert clock_seconds([]) == 0


def test_a_manifest_has_what_the_stage_and_its_upstream_stages_took(tmp_path: Path) -> None:
    store = Store(tmp_path, lambda _: None, 0)
    data = store.stage("data", CountingStage(), config={}, code=CODE)
    twice = [
        store.stage("ids", CountingStage(), config={"n": n}, code=CODE, inputs={"data": data})
        for n in range(2)
    ]
    spent = spent_on(stage.manifest for stage in twice)
    assert spent.keys() == {f"{a.path.parent.name}/{a.key}" for a in (data, *twice)}
    assert all(stage.processes == 1 for stage in spent.values())
    assert spent[f"data/{data.key}"].seconds == data.manifest["seconds"]


def test_the_processes_of_a_launch_are_recorded_where_they_work_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    log: list[str] = []
    store = Store(tmp_path, log.append, 0)
    together = {"resumable": True, "collective": True}
    trained = store.stage("fit", CountingStage(), config={}, code=CODE, what="llm", **together)
    alone = store.stage("ids", CountingStage(), config={}, code=CODE)
    processes = [
        stage.processes for one in (trained, alone) for stage in spent_on([one.manifest]).values()
    ]
    assert processes == [2, 1]
    assert log[0].startswith("fit llm: made ")
    assert [line.endswith(" s by 2 processes") for line in log] == [True, False]
