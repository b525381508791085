"""Four planted errors of forgetting, each of which a check finds.

A method of the test counts the training events of items. Its errors are those that a method can
have: it starts from its earlier state, it keeps states outside of the cache, it draws from the
global random state, or its key lacks a window that it reads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from commands import enter, output_of, result
from forgettable_log import PERSON, write

from p5rec.core.artefacts import Artefact, Store
from p5rec.core.errors import UserError

METHOD = """
from dataclasses import replace
from typing import Literal

import numpy as np

from p5rec.core.paths import cache_home
from p5rec.methods.baselines.popularity import Popularity


class Mutant(Popularity):
    kind: Literal["mutant"] = "mutant"
    error: str = ""

    def learn(self, interactions, split):
        fitted = super().learn(interactions, split)
        file = cache_home() / f"{self.error}.npy"
        if self.error == "warm-start":
            earlier = np.load(file).sum() if file.is_file() else 0.0
            fitted = replace(fitted, counts=fitted.counts + np.float32(earlier))
            np.save(file, fitted.counts)
        if self.error == "stale-states":
            if file.is_file():
                fitted = replace(fitted, counts=np.load(file)[: len(fitted.counts)])
            np.save(file, fitted.counts)
        if self.error == "global-random-state":
            noise = np.random.rand(len(fitted.counts)).astype(np.float32)
            fitted = replace(fitted, counts=fitted.counts + noise)
        return fitted
"""
RECIPE = """
plugins: [./mutants.py]
data: {source: table, path: log.csv}
baselines: []
methods: {mine: {kind: mutant, error: ERROR}}
"""
pytestmark = pytest.mark.usefixtures("own_plugins")


def begin(folder: Path, error: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder)
    (folder / "mutants.py").write_text(METHOD)
    enter(folder, RECIPE.replace("ERROR", f"{error!r}"), monkeypatch)
    output_of("run", "my.yaml", "--jobs", "1")


def forget() -> None:
    words = ("forget", "--user", PERSON, "--run", "runs/my", "--yes", "--jobs", "1")
    output_of("--plugin", "mutants.py", *words)


def run_here(config: Path, out: Path, home: Path) -> None:
    """The run of :func:`p5rec.forget.verify.rederive`, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("P5REC_HOME", str(home))
        words = ("run", str(config), "--out", str(out), "--jobs", "1")
        output_of("--plugin", "mutants.py", *words)


@pytest.mark.parametrize("error", ["warm-start", "stale-states", "global-random-state"])
def test_a_run_from_an_empty_cache_differs(
    error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(tmp_path, error, monkeypatch)
    forget()
    (receipt,) = (tmp_path / "home/forget/receipts").glob("*.json")
    monkeypatch.setattr("p5rec.forget.verify._run", run_here)
    outcome = result("forget", "verify", str(receipt), "--rederive")
    assert outcome.exit_code == 1, outcome.output
    assert "differ: fit" in outcome.stdout


def test_without_an_error_a_new_process_computes_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(tmp_path, "", monkeypatch)
    forget()
    (receipt,) = (tmp_path / "home/forget/receipts").glob("*.json")
    output = output_of("--plugin", "mutants.py", "forget", "verify", str(receipt), "--rederive")
    assert "0 differ" in output
    assert "NO" not in output


def test_a_stage_that_saw_the_events_is_not_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key of the fit lacks the data that it reads."""
    stage = Store.stage

    def without_data(self: Store, name: str, compute: Any, **settings: Any) -> Artefact:
        inputs = settings["inputs"]
        if name == "fit":
            inputs = {k: v for k, v in inputs.items() if k != "data"}
        return stage(self, name, compute, **{**settings, "inputs": inputs})

    monkeypatch.setattr(Store, "stage", without_data)
    begin(tmp_path, "", monkeypatch)
    words = ("forget", "--user", PERSON, "--run", "runs/my", "--yes", "--jobs", "1")
    error = result("--plugin", "mutants.py", *words).exception
    assert isinstance(error, UserError)
    assert "expected every stage that saw the events to be computed again, got fit/" in str(error)
    assert list((tmp_path / "home/forget/pending").iterdir())  # the request is not done
