"""Early stopping on a validation metric."""

from p5rec.core.patience import Patience


def checks_until_stop(checks: int, *values: float) -> int:
    patience = Patience(checks)
    for n, value in enumerate(values, 1):
        patience.improves(value)
        if patience.exhausted:
            return n
    return 0


def test_stops_when_the_last_checks_are_no_better_than_those_before():
    patience = Patience(2)
    states = [
        (patience.improves(value), patience.exhausted) for value in (0.1, 0.3, 0.2, 0.25, 0.25)
    ]
    assert states[:4] == [(True, False), (True, False), (False, False), (False, False)]
    assert states[4] == (False, True)  # .25 and .25 against .3 and .2
    assert patience.best == 0.3


def test_one_lucky_check_does_not_stop_a_rising_metric():
    rising = [0.01 * n for n in range(1, 30)]
    rising[5] = 0.5
    assert checks_until_stop(4, *rising[:12]) == 10  # while the mean before has the lucky one
    calmer = [0.01 * n for n in range(1, 30)]
    calmer[9] += 0.05  # better than all of the next five
    assert checks_until_stop(4, *calmer) == 0
    assert checks_until_stop(4, *calmer, *[0.29] * 8) == 36  # four at .29 before it


def test_zero_checks_disable_early_stopping():
    assert checks_until_stop(0, 0.5, *[0.1] * 50) == 0
    assert checks_until_stop(1, 0.5, 0.5) == 2
    assert checks_until_stop(3, *[0.0] * 9) == 6
    patience = Patience(0)
    patience.improves(0.5)
    patience.improves(float("nan"))
    assert patience.best == 0.5
