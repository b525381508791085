"""Forgetting a person in a run: what is computed again equals a run that never had the person."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from commands import enter, output_of, result
from forgettable_log import EVENTS, PERSON, RECIPE, write

from p5rec.core.content import content_hash
from p5rec.core.errors import UserError
from p5rec.core.paths import files_in
from p5rec.core.rng import id_keys
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.forget.receipt import read_receipt
from p5rec.forget.stages import Stages


def stages(folder: Path) -> Stages:
    return Stages.read(folder / "home" / "store")


def hashes(folder: Path) -> Counter[tuple[str, str]]:
    """The kind and the content hash of each stage of the run of the run."""
    used = stages(folder).of_run(folder / "runs" / "my").values()
    return Counter((s.kind, content_hash(s.path)) for s in used)


def receipts(folder: Path) -> list[Path]:
    return sorted((folder / "home" / "forget" / "receipts").glob("*.json"))


@pytest.fixture(scope="module")
def forgotten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run after its request, with the plan and the keys of the stages before in files."""
    folder = tmp_path_factory.mktemp("forgotten")
    write(folder)
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, RECIPE, patch)
        output_of("run", "my.yaml", "--jobs", "1")
        held = [*stages(folder).by_key]
        (folder / "before.json").write_text(json.dumps(held))
        words = ("forget", "--user", PERSON, "--run", "runs/my")
        (folder / "plan.txt").write_text(output_of(*words))
        assert sorted(held) == sorted(stages(folder).by_key)  # a plan changes nothing
        output_of(*words, "--yes", "--basis", "a letter", "--jobs", "1")
    return folder


@pytest.fixture(scope="module")
def never(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a log without the person, with an empty cache."""
    folder = tmp_path_factory.mktemp("never")
    write(folder, pl.col("user") != PERSON)
    with pytest.MonkeyPatch.context() as patch:
        enter(folder, RECIPE, patch)
        output_of("run", "my.yaml", "--jobs", "1")
    return folder


def test_every_stage_equals_one_that_never_had_the_events(forgotten: Path, never: Path) -> None:
    kinds = {kind for kind, _ in hashes(forgotten)}
    assert {"data", "ids", "fit", "model", "predictions", "reference", "report"} <= kinds
    assert hashes(forgotten) == hashes(never)
    assert content_hash(forgotten / "runs/my/models") == content_hash(never / "runs/my/models")
    assert content_hash(forgotten / "runs/my/lists") == content_hash(never / "runs/my/lists")


def words_in(path: Path) -> Iterator[str]:
    """The text of a file; that of tables without their compression."""
    if path.suffix == ".parquet":
        yield str(pl.read_parquet(path).to_dicts())
    elif path.suffix == ".arrow":
        yield str(pa.ipc.open_stream(pa.memory_map(str(path))).read_all().to_pylist())
    else:
        yield path.read_bytes().decode("latin-1")


def test_the_person_is_in_no_file(forgotten: Path) -> None:
    files = {**files_in(forgotten / "home"), **files_in(forgotten / "runs")}
    assert len(files) > 50
    found = [name for name, path in files.items() if any(PERSON in text for text in words_in(path))]
    assert not found
    others = [
        name for name, path in files.items() if any("person-008" in t for t in words_in(path))
    ]
    assert others  # they would be found


def test_no_lineage_and_no_array_holds_a_key_of_the_events(forgotten: Path, tmp_path: Path) -> None:

    write(tmp_path)
    corpus, _ = build(DataConfig(source="table", path=str(tmp_path / "log.csv")))
    log = corpus.interactions
    gone = log.event_keys[log.user_keys[log.users] == id_keys([PERSON])[0]]
    assert len(gone) == EVENTS
    arrays = [p for p in files_in(forgotten / "home").values() if p.suffix == ".npy"]
    for path in arrays:
        values = np.load(path, allow_pickle=False)
        assert not np.isin(values, [*gone, *id_keys([PERSON])]).any(), path
    for name, path in files_in(forgotten / "home").items():
        data = path.read_bytes()
        assert not any(key.tobytes() in data for key in gone), name


def test_old_stages_are_gone_and_the_run_is_cached(
    forgotten: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(json.loads((forgotten / "before.json").read_text()))
    assert not before & stages(forgotten).by_key.keys()
    monkeypatch.setenv("P5REC_HOME", str(forgotten / "home"))
    monkeypatch.chdir(forgotten)
    again = output_of("run", "my.yaml", "--jobs", "1")
    assert "made" not in again
    assert not list((forgotten / "home/forget/pending").iterdir())


def test_the_plan_counts_what_is_done(forgotten: Path) -> None:
    plan = (forgotten / "plan.txt").read_text()
    assert f"events to forget: {EVENTS}" in plan
    assert "nothing was changed" in plan
    assert f"log.csv: holds {EVENTS} of them" in plan
    assert PERSON not in plan


def test_a_receipt_is_verified(forgotten: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("P5REC_HOME", str(forgotten / "home"))
    (path,) = receipts(forgotten)
    receipt = read_receipt(path)
    assert receipt.request.events == EVENTS
    assert receipt.request.basis == "a letter"
    assert receipt.checked["stages holding the events"] == 0
    assert {one.state for one in receipt.artefacts} <= {"computed again", "deleted", "new"}
    assert [*receipt.request.sources.values()] == [EVENTS]
    assert "NO" not in output_of("forget", "verify", str(path))


@pytest.mark.parametrize("change", ["receipt", "stage", "tombstones", "output"])
def test_a_change_is_found(
    change: str, forgotten: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P5REC_HOME", str(forgotten / "home"))
    (path,) = receipts(forgotten)
    changed, undo = path, []
    if change == "receipt":
        changed = tmp_path / "receipt.json"
        tree = json.loads(path.read_text())
        tree["request"]["events"] = 1
        changed.write_text(json.dumps(tree))
    else:
        fit = next(s for s in stages(forgotten).by_key.values() if s.kind == "ids")
        target = {
            "stage": next(p for p in files_in(fit.path).values() if p.suffix == ".npy"),
            "tombstones": forgotten / "home/forget/tombstones.npy",
            "output": forgotten / "runs/my/per_user.parquet",
        }[change]
        content = target.read_bytes()
        undo.append((target, content))
        if change == "tombstones":
            np.save(target, np.zeros(0, np.uint64))
        else:
            target.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        outcome = result("forget", "verify", str(changed))
    finally:
        for target, content in undo:
            target.write_bytes(content)
    assert outcome.exit_code == 1
    assert "NO" in outcome.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--user", "nobody-at-all", "--run", "runs/my"),
            "expected events in the logs of the runs",
        ),
        (("--user", PERSON), "expected --run"),
        (("--run", "runs/my"), "expected --user or --events, got neither"),
        (("--user", PERSON, "--run", "home"), "expected a run's folder"),
        (("--events", "log.yaml", "--run", "runs/my"), "log.yaml"),
    ],
)
def test_a_wrong_request_is_one_line_without_the_person(
    words: tuple[str, ...], message: str, never: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("P5REC_HOME", str(never / "home"))
    monkeypatch.chdir(never)
    error = result("forget", *words).exception
    assert isinstance(error, UserError)
    assert message in str(error)
    assert PERSON not in str(error)
    assert "nobody" not in str(error)
