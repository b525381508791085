"""Two runs side by side: paired where possible, refused where they cannot be compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from p5rec.cli.report import app
from p5rec.core.errors import UserError
from p5rec.core.types import Corpus, RankedLists
from p5rec.evaluate.assemble import Rules, assemble
from p5rec.evaluate.compare import compare
from p5rec.evaluate.measure import ranking, rating
from p5rec.evaluate.measured import Measured, average
from p5rec.evaluate.per_user import FILE, read_per_user, write_per_user
from p5rec.report.difference import Difference, difference, load_run
from p5rec.report.difference_pages import WARNING, markdown, page, text
from p5rec.report.files import write_report

RUN: Any = {"split": "test", "seed": 0}
TARGETS = np.arange(20, 24)


@pytest.fixture
def ranked(corpus: Corpus, ranked_at: Callable[..., RankedLists]) -> Callable[..., Measured]:
    def make(name: str, *ranks: int) -> Measured:
        return ranking(name, ranked_at(*ranks), 20 + np.arange(len(ranks)), corpus, **RUN)

    return make


def rated(name: str, off: float) -> Measured:
    ratings = np.array([1.0, 5.0, 4.0, 2.0])
    predicted = ratings + off * np.array([1, -1, 1, 1])
    return rating(name, predicted, ratings, np.array([0, 0, 1, 3]), (1, 5), **RUN,
                  instance_items=np.array([1, 2, 3, 4]))  # fmt: skip


@pytest.fixture
def run(corpus: Corpus, tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, *measured: Measured, instances: bool = True, **settings: Any) -> Path:
        config = {"name": name, "seed": 0, **settings}
        made = assemble(corpus, measured, Rules(0), seconds=1, manifest={"config": config})
        write_report(made, tmp_path / name)
        if instances:
            write_per_user(measured, corpus, tmp_path / name)
        return tmp_path / name

    return write


def between(a: Path, b: Path, *pairs: tuple[str, str], **more: Any) -> Difference:
    return difference(load_run(a), load_run(b), pairs, 0, **more)


def test_saved_instances_pair_two_runs_like_one_run(
    ranked: Callable[..., Measured], run: Callable[..., Path]
) -> None:
    old = [ranked("m", 0, 3, 0, 6), rated("r", 0.9)]
    new = [average([ranked("m", 1, 1, 0, 1), ranked("m", 1, 0, 2, 1)], 0),
           average([rated("r", 0.1), rated("r", 0.3)], 0)]  # fmt: skip
    found = between(run("a", *old), run("b", *new, steps=7))
    assert found.obstacles == ()
    assert found.settings["config.steps"] == ("missing", "7")
    assert {row.metric for row in found.rows} == {*old[0].method.metrics, *old[1].method.metrics}
    for row in found.rows:
        before, after = (next(m for m in ms if m.method.task == row.task) for ms in (old, new))
        direct = compare(after, before, row.metric, 0)
        assert row.paired is not None
        assert (row.paired.value, row.paired.low, row.paired.high) == pytest.approx(
            (direct.value, direct.low, direct.high)
        )
        assert row.a == before.method.metrics[row.metric]
        assert row.b == after.method.metrics[row.metric]
    twice = between(
        run("c", old[0], ranked("n", 1, 1, 1, 1)), run("d", new[0], ranked("n", 0, 0, 0, 0))
    )
    assert {row.paired.family_size for row in twice.rows if row.paired} == {2}  # m and n
    sentences = [row.paired.sentence for row in found.rows if row.main and row.paired]
    assert sentences[-3].startswith("r in B beats r in A by -0.7")
    for written in (text(found), markdown(found), page(found)):
        assert "config.steps" in written
        assert WARNING not in written
        assert all(sentence in written.replace("\\", "") for sentence in sentences)


def test_methods_with_different_names_are_paired_on_request(
    ranked: Callable[..., Measured], run: Callable[..., Path]
) -> None:
    a, b = run("a", ranked("old", 0, 0, 0, 0)), run("b", ranked("new", 1, 1, 1, 1))
    with pytest.raises(UserError, match="expected a method in both, got old and new"):
        between(a, b)
    with pytest.raises(UserError, match="got 'od'; did you mean 'old'"):
        between(a, b, ("od", "new"))
    found = between(a, b / "report.json", ("old", "new"))
    assert {row.method for row in found.rows} == {"old / new"}
    assert "new in B beats old in A by +1.0000" in text(found)


def test_different_or_missing_instances_are_not_paired(
    ranked: Callable[..., Measured], run: Callable[..., Path]
) -> None:
    one = run("one", ranked("m", 1, 0, 0, 0))
    few = run("few", ranked("m", 0, 1, 0), ranked("alone", 1, 0, 0))
    bare = run("bare", ranked("m", 0, 1, 0, 0), instances=False)
    for other, why in ((few, "different instances"), (bare, "instances not saved")):
        found = between(one, other)
        assert {(row.paired, row.why) for row in found.rows} == {(None, why)}
        assert f"({why})" in text(found)
    assert "only in B: alone (sequential, test)" in text(between(one, few))
    same = between(one, run("again", ranked("m", 1, 0, 0, 0)))
    assert "equal in both runs: m (sequential, test)" in text(same)


def altered(folder: Path, change: Callable[[Any], object]) -> Path:
    tree = json.loads((folder / "report.json").read_text())
    change(tree)
    (folder / "report.json").write_text(json.dumps(tree))
    return folder


def test_equal_runs_are_equal_in_metrics_without_values_per_instance(
    run: Callable[..., Path],
) -> None:
    own = rated("r", 0.5)
    metrics = own.method.metrics | {"log loss": own.method.metrics["RMSE"]}
    own = replace(own, method=own.method.model_copy(update={"metrics": metrics}))
    same = between(run("a", own), run("b", own))
    assert {row.why for row in same.rows} == {"", "no value per instance"}
    assert "equal in both runs: r (rating, test)" in text(same)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["data"].update(fingerprint="0"), "the same events and splits, got fingerp"),
        (lambda t: t["protocol"].update(exclude_seen=False), "got exclude_seen True and False"),
        (lambda t: t["protocol"].update(candidates=7), "got candidates 30 and 7"),
        (lambda t: t["protocol"]["splits"].update(sequential="time"), "got leave-one-out and time"),
        (lambda t: t["data"].update(fingerprint=None, users=9), "the same data, got data.users 4 "),
        (
            lambda t: (t["data"].update(fingerprint=None),
                       t["manifest"]["config"].update(data={"path": "x"})),
            "the same data, got data.path",
        ),
    ],
)  # fmt: skip
def test_runs_that_cannot_be_compared_are_refused(
    ranked: Callable[..., Measured], run: Callable[..., Path], change: Any, message: str
) -> None:
    a = run("a", ranked("m", 1, 0, 0, 0), data={"path": "y"})
    b = altered(run("b", ranked("m", 1, 1, 0, 0), data={"path": "y"}), change)
    with pytest.raises(UserError, match="metrics of the two cannot be compared") as caught:
        between(a, b)
    assert message in caught.value.lines[0]
    found = between(a, b, force=True)
    assert {(row.paired, row.why) for row in found.rows} == {(None, "not comparable")}
    for written in (text(found), markdown(found), page(found)):
        assert WARNING in written
        assert " beats " not in written


def test_the_command_prints_writes_and_refuses(
    ranked: Callable[..., Measured], run: Callable[..., Path], tmp_path: Path
) -> None:
    a, b = run("a", ranked("m", 0, 0, 0, 0)), run("b", ranked("m", 1, 1, 1, 1))
    words = [
        "diff",
        str(a),
        str(b),
        "--html",
        str(tmp_path / "d.html"),
        "--md",
        str(tmp_path / "d.md"),
    ]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0
    assert "m in B beats m in A by +1.0000 [+1.0000, +1.0000] in HR@10" in result.stdout
    assert (tmp_path / "d.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "d.md").read_text().startswith("# Two runs")
    altered(b, lambda tree: tree["data"].update(fingerprint="0"))
    refused = CliRunner().invoke(app, ["diff", str(a), str(b)])
    assert isinstance(refused.exception, UserError)
    assert CliRunner().invoke(app, ["diff", str(a), str(b), "--force"]).exit_code == 0
    wrong = CliRunner().invoke(app, ["diff", str(a), str(b), "--pair", "m"])
    assert "expected A_NAME=B_NAME, got 'm'" in str(wrong.exception)


def test_damaged_instances_are_one_line(
    ranked: Callable[..., Measured], run: Callable[..., Path]
) -> None:
    folder = run("a", ranked("m", 1, 0, 0, 0))
    (folder / FILE).write_bytes(b"no table")
    with pytest.raises(
        UserError, match=r"per_user\.parquet: expected the test instances of a run"
    ) as caught:
        read_per_user(folder)
    assert len(caught.value.lines) == 1


def test_instances_without_a_user_are_saved_and_resampled_singly(
    corpus: Corpus, ranked_at: Callable[..., RankedLists], run: Callable[..., Path]
) -> None:
    def of(*ranks: int) -> Measured:
        lists = ranked_at(*ranks)
        nobody = RankedLists(np.full(4, -1, dtype=np.int32), lists.items, lists.scores)
        return ranking("m", nobody, TARGETS, corpus, task="about items", **RUN)

    a, b = of(1, 0, 0, 0), of(1, 1, 0, 0)
    found = between(run("a", a), run("b", b))
    assert read_per_user(Path(found.a))["user"].null_count() == 4  # type: ignore[index]
    direct = compare(b, a, "HR@10", 0)
    row = next(row for row in found.rows if row.metric == "HR@10")
    assert row.paired is not None
    assert (row.paired.low, row.paired.high) == (direct.low, direct.high)
