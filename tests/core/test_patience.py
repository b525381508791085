"""Waiting until a figure no longer rises."""

from p5rec.core.patience import Patience


def looks_until_over(patience: int, *figures: float) -> int:
    waited = Patience(patience)
    for n, figure in enumerate(figures, 1):
        waited.better(figure)
        if waited.over:
            return n
    return 0


def test_waiting_ends_when_the_last_looks_are_no_better_than_those_before():
    waited = Patience(2)
    found = [(waited.better(figure), waited.over) for figure in (0.1, 0.3, 0.2, 0.25, 0.25)]
    assert found[:4] == [(True, False), (True, False), (False, False), (False, False)]
    assert found[4] == (False, True)  # .25 and .25 against .3 and .2
    assert waited.best == 0.3


def test_one_lucky_look_does_not_end_what_still_rises():
    rising = [0.01 * n for n in range(1, 30)]
    rising[5] = 0.5
    assert looks_until_over(4, *rising[:12]) == 10  # while the mean before has the lucky one
    calmer = [0.01 * n for n in range(1, 30)]
    calmer[9] += 0.05  # better than all of the next five
    assert looks_until_over(4, *calmer) == 0
    assert looks_until_over(4, *calmer, *[0.29] * 8) == 36  # four at .29 before it


def test_nobody_waits_for_ever_unless_told_to():
    assert looks_until_over(0, 0.5, *[0.1] * 50) == 0
    assert looks_until_over(1, 0.5, 0.5) == 2
    assert looks_until_over(3, *[0.0] * 9) == 6
    waited = Patience(0)
    waited.better(0.5)
    waited.better(float("nan"))
    assert waited.best == 0.5
