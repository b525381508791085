import numpy as np
import pytest

from p5rec.evaluate.compare import compare
from p5rec.evaluate.measure import accuracy, ranking, rating

RUN = {"split": "test", "seed": 0}
USERS = np.arange(200)


def rated(name, spread):
    ratings = np.tile([2.0, 4.0], 100)
    return rating(name, ratings + spread * np.tile([1, -1], 100), ratings, USERS, (1, 5), **RUN)


def test_the_better_method_comes_first_whichever_way_it_is_asked():
    right = (USERS < 150).astype(float)
    a, b = accuracy("a", right, USERS, **RUN), accuracy("b", 1 - right, USERS, **RUN)
    ab, ba = compare(a, b, "accuracy", 0), compare(b, a, "accuracy", 0)
    assert ab.value == pytest.approx(0.5)
    assert (ba.value, ba.low, ba.high) == pytest.approx((-ab.value, -ab.high, -ab.low))
    words = f"a beats b by {ab.value:+.4f} [{ab.low:+.4f}, {ab.high:+.4f}] in accuracy"
    assert (ab.sentence, ba.sentence) == (words, words)


def test_lower_errors_win():
    near, far = rated("near", 0.2), rated("far", 0.9)
    found = compare(far, near, "RMSE", 0)
    assert found.value == pytest.approx(0.7)
    assert found.sentence == "near beats far by -0.7000 [-0.7000, -0.7000] in RMSE"


def test_no_difference_is_claimed_where_none_is_shown():
    rng = np.random.default_rng(0)
    a = accuracy("a", rng.integers(0, 2, 200).astype(float), USERS, **RUN)
    b = accuracy("b", rng.integers(0, 2, 200).astype(float), USERS, **RUN)
    found = compare(a, b, "accuracy", 0)
    assert found.low < 0 < found.high
    assert found.sentence.startswith("a vs b: no difference shown [-")
    itself = compare(a, a, "accuracy", 0)
    assert (itself.value, itself.low, itself.high) == (0, 0, 0)


def test_what_is_unknown_cannot_be_compared():
    ratings = np.full(5, 4.0)  # all liked: no area under any curve
    a, b = (rating(n, np.full(5, 3.0), ratings, np.arange(5), (1, 5), **RUN) for n in "ab")
    found = compare(a, b, "AUC", 0)
    assert found.value is None
    assert found.sentence == "a vs b: AUC could not be compared"


def test_other_cases_are_refused(corpus, at_places):
    def of(*places, **more):
        lists = at_places(*places)
        return ranking("m", lists, 20 + lists.users, corpus, **(RUN | more))

    four = of(1, 2, 3, 0)
    for other in (of(1, 2, 3), of(1, 2, 3, 0, split="valid"), of(1, 2, 3, 0, task="direct")):
        with pytest.raises(ValueError, match="not measured on the same cases"):
            compare(four, other, "HR@10", 0)
    with pytest.raises(ValueError, match="do not both have HR@20"):
        compare(four, four, "HR@20", 0)
