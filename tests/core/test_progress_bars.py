"""What progress bars say, on a terminal and from a worker process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from p5rec.core import progress
from p5rec.core.patience import Patience


@pytest.fixture
def sent() -> Iterator[list[str]]:
    found: list[str] = []
    progress.send_bars(found.append)
    yield found
    progress._SENT.clear()


def test_a_bar_without_an_end_counts(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.open_bar(None, "sasrec", "epochs") as bar:
        for n in range(3):
            bar.set_postfix_str(f"best .1{n}", refresh=False)
            bar.update()
        bar.refresh()
    said = capsys.readouterr().err
    assert "sasrec: 3 epochs [" in said
    assert "best .12]" in said
    assert "%" not in said


def test_a_worker_sends_the_text_of_its_outermost_bar(
    sent: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with progress.open_bar(4, "outer", "row") as outer:
        with progress.shown(), progress.bar(2, "inner", "row") as inner:
            inner(2)
        outer.update(4)
        outer.refresh()
    assert any("outer: 100%" in text and "4/4" in text for text in sent)
    assert not any("inner" in text for text in sent)
    assert sent[-1] == ""
    assert capsys.readouterr().err == ""


def test_silence_holds_for_every_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.silent(), progress.open_bar(4, "fit", "row") as bar:
        bar.update(4)
    assert capsys.readouterr().err == ""


def test_what_waits_says_when_it_ends_unless_the_figure_rises() -> None:
    waited = Patience(3)
    assert waited.told("epoch") == "ends after epoch 6 unless it rises"
    for figure in (0.25, 0.5, 0.75, 1.0):
        waited.better(figure)
    assert waited.told("epoch") == "best 1.0000 (epoch 4), ends after epoch 7 unless it rises"
    level = sum(waited.figures[-3:]) / 3
    while not waited.over:
        waited.better(level)
    assert len(waited.figures) == 7
