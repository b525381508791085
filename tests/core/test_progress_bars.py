"""The text of progress bars, on a terminal and from a worker process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from p5rec.core import progress
from p5rec.core.patience import Patience


@pytest.fixture
def sent() -> Iterator[list[str]]:
    texts: list[str] = []
    progress.forward_bars(texts.append)
    yield texts
    progress._FORWARD.clear()


def test_a_bar_without_a_total_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    with progress.open_bar(None, "sasrec", "epochs") as bar:
        for n in range(3):
            bar.set_postfix_str(f"best .1{n}", refresh=False)
            bar.update()
        bar.refresh()
    text = capsys.readouterr().err
    assert "sasrec: 3 epochs [" in text
    assert "best .12]" in text
    assert "%" not in text


def test_a_worker_sends_the_text_of_its_outermost_bar(
    sent: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.open_bar(4, "outer", "user") as outer:
        with progress.progress_bars(), progress.progress_bar(2, "inner", "user") as inner:
            inner(2)
        outer.update(4)
        outer.refresh()
    assert any("outer: 100%" in text and "4/4" in text for text in sent)
    assert not any("inner" in text for text in sent)
    assert sent[-1] == ""
    assert capsys.readouterr().err == ""


def test_a_file_receives_lines_without_cursor_movements(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    with progress.open_bar(2, "outer", "user") as outer:
        for _ in range(2):
            with progress.open_bar(3, "inner", "user") as inner:
                inner.update(3)
            outer.update()
    lines = capsys.readouterr().err.split("\n")
    assert lines[-1] == ""
    assert "2/2" in lines[-2]
    assert all(line.startswith("outer: ") for line in lines[:-1])
    assert not {"\r", "\x1b"} & {*"".join(lines)}


def test_a_short_bar_leaves_nothing_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.open_bar(2, "fit", "user") as bar:
        bar.update(2)
        bar.set_postfix_str("loss 1.0")
    assert capsys.readouterr().err == ""


def test_no_progress_bars_disables_every_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.no_progress_bars(), progress.open_bar(4, "fit", "user") as bar:
        bar.update(4)
    assert capsys.readouterr().err == ""


def test_the_summary_of_early_stopping() -> None:
    stopping = Patience(3)
    assert stopping.summary("epoch") == "stops after epoch 6 unless it rises"
    for value in (0.25, 0.5, 0.75, 1.0):
        stopping.improves(value)
    assert stopping.summary("epoch") == "best 1.0000 (epoch 4), stops after epoch 7 unless it rises"
    level = sum(stopping.values[-3:]) / 3
    while not stopping.exhausted:
        stopping.improves(level)
    assert len(stopping.values) == 7
