import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p5rec.metrics.intervals import LEVEL
from p5rec.metrics.multiple_testing import holm, resamples_for


def test_the_worked_example_of_holm():
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.4, np.nan, 0.6])), [0.8, np.nan, 0.8])
    assert holm(np.empty(0)).shape == (0,)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_rejecting_by_adjusted_values_is_holms_procedure(p):
    order = sorted(range(len(p)), key=p.__getitem__)
    rejected = set()
    for step, n in enumerate(order):
        if p[n] * (len(p) - step) > 0.05:
            break
        rejected.add(n)
    assert set(np.flatnonzero(holm(np.array(p)) <= 0.05)) == rejected


@pytest.mark.parametrize("m", [1, 25, 26, 300])
def test_the_smallest_chance_survives(m):
    assert m * 2 / (resamples_for(m) + 1) < 1 - LEVEL
