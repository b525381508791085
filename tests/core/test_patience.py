"""Waiting for a better figure."""

from p5rec.core.patience import Patience


def test_waiting_ends_after_so_many_looks_that_were_no_better():
    waited = Patience(2)
    found = [(waited.better(figure), waited.over) for figure in (0.1, 0.3, 0.3, 0.2)]
    assert found == [(True, False), (True, False), (False, False), (False, True)]
    assert waited.best == 0.3


def test_nobody_waits_for_ever_unless_told_to():
    waited = Patience(0)
    for figure in (0.5, 0.1, 0.1, float("nan")):
        waited.better(figure)
    assert not waited.over
    assert waited.best == 0.5
