import numpy as np
import pytest

from p5rec.evaluate.compare import adjusted, compare, comparisons
from p5rec.evaluate.measure import accuracy, ranking, rating
from p5rec.evaluate.measured import average
from p5rec.evaluate.schema import Comparison

RUN = {"split": "test", "seed": 0}
USERS = np.arange(200)


def rated(name, spread):
    ratings = np.tile([2.0, 4.0], 100)
    return rating(name, ratings + spread * np.tile([1, -1], 100), ratings, USERS, (1, 5), **RUN)


def test_the_better_method_comes_first_in_either_order():
    right = (USERS < 150).astype(float)
    a, b = accuracy("a", right, USERS, **RUN), accuracy("b", 1 - right, USERS, **RUN)
    ab, ba = compare(a, b, "accuracy", 0), compare(b, a, "accuracy", 0)
    assert ab.value == pytest.approx(0.5)
    assert (ba.value, ba.low, ba.high) == pytest.approx((-ab.value, -ab.high, -ab.low))
    words = f"a beats b by {ab.value:+.4f} [{ab.low:+.4f}, {ab.high:+.4f}] in accuracy (p .002)"
    assert (ab.sentence, ba.sentence) == (words, words)
    assert (ab.verdict, ba.verdict) == ("better", "worse")


def test_lower_errors_win():
    near, far = rated("near", 0.2), rated("far", 0.9)
    found = compare(far, near, "RMSE", 0)
    assert found.value == pytest.approx(0.7)
    assert found.sentence == "near beats far by -0.7000 [-0.7000, -0.7000] in RMSE (p .002)"
    assert (found.verdict, compare(near, far, "RMSE", 0).verdict) == ("worse", "better")


def test_an_interval_with_zero_is_no_difference_shown():
    rng = np.random.default_rng(0)
    a = accuracy("a", rng.integers(0, 2, 200).astype(float), USERS, **RUN)
    b = accuracy("b", rng.integers(0, 2, 200).astype(float), USERS, **RUN)
    found = compare(a, b, "accuracy", 0)
    assert found.low < 0 < found.high
    assert found.sentence.startswith("a vs b: no difference shown [-")
    itself = compare(a, a, "accuracy", 0)
    assert (itself.value, itself.low, itself.high, itself.p) == (0, 0, 0, 1)
    assert itself.sentence == "a vs a: no difference shown [+0.0000, +0.0000] in accuracy (p 1.000)"


def test_unknown_values_cannot_be_compared():
    ratings = np.full(5, 4.0)  # all liked: no area under any curve
    a, b = (rating(n, np.full(5, 3.0), ratings, np.arange(5), (1, 5), **RUN) for n in "ab")
    found = compare(a, b, "AUC", 0)
    assert found.value is None
    assert found.sentence == "a vs b: AUC could not be compared"
    assert (found.p, found.uncorrected_verdict, found.verdict) == (None, None, None)


def test_other_instances_are_refused(corpus, ranked_at):
    def of(*ranks, **more):
        lists = ranked_at(*ranks)
        return ranking("m", lists, 20 + lists.users, corpus, **(RUN | more))

    four = of(1, 2, 3, 0)
    for other in (of(1, 2, 3), of(1, 2, 3, 0, split="valid"), of(1, 2, 3, 0, task="direct")):
        with pytest.raises(ValueError, match="measured on different test instances"):
            compare(four, other, "HR@10", 0)
    with pytest.raises(ValueError, match="do not both have HR@20"):
        compare(four, four, "HR@20", 0)


def comparison(p, metric="HR@10", value=0.03, **more):
    low, high = (0.01, 0.05) if p <= 0.05 else (-0.01, 0.07)
    fields = {"task": "sequential", "split": "test", "low": low, "high": high} | more
    return Comparison(a="a", b="b", metric=metric, value=value, p=p, sentence="", **fields)


def test_a_verdict_is_corrected_for_the_number_of_comparisons():
    found = adjusted(
        [comparison(0.002), comparison(0.04), comparison(0.9), comparison(0.04, "NDCG@10")]
    )
    assert [one.uncorrected_verdict for one in found] == [
        "better",
        "better",
        "no difference shown",
        "better",
    ]
    assert [one.verdict for one in found] == [
        "better", "no difference shown", "no difference shown", "better",
    ]  # fmt: skip
    assert [one.p_adjusted for one in found] == pytest.approx([0.006, 0.08, 0.9, 0.04])
    assert [one.family_size for one in found] == [3, 3, 3, 1]
    assert [one.sentence for one in found] == [
        "a beats b by +0.0300 [+0.0100, +0.0500] in HR@10 (p .002, corrected .006)",
        "a vs b: no difference shown among 3 comparisons in HR@10, +0.0300 [+0.0100, +0.0500] "
        "uncorrected (p .040, corrected .080)",
        "a vs b: no difference shown [-0.0100, +0.0700] in HR@10 (p .900)",
        "a beats b by +0.0300 [+0.0100, +0.0500] in NDCG@10 (p .040)",
    ]
    assert adjusted(found) == found


def test_a_very_small_p_value_is_not_written_as_zero():
    assert "(p 5e-04)" in adjusted([comparison(0.0005)])[0].sentence


def test_the_sentence_lists_each_seed():
    runs = [accuracy("m", np.arange(200) % n == 0, USERS, **RUN) for n in (2, 4)]
    zero = accuracy("zero", np.zeros(200), USERS, **RUN)
    found = compare(zero, average(runs, 0), "accuracy", 0)
    assert found.by_seed == [-0.5, -0.25]
    assert found.sentence.endswith("(p .002; by seed +0.5000 / +0.2500)")
    both = compare(average(runs, 0), average(runs[::-1], 0), "accuracy", 0)
    assert both.by_seed == [0.25, -0.25]


def test_many_pairs_have_enough_resamples_for_a_verdict():
    few = np.arange(5)
    a, b = (accuracy(n, np.full(5, v), few, **RUN) for n, v in (("a", 1.0), ("b", 0.0)))
    found = comparisons([a, b], [("a", "b")] * 30, 0)
    assert {one.verdict for one in found} == {"better"}


def test_a_comparison_without_p_values_loads():
    bare = {"a": "a", "b": "b", "task": "t", "split": "test", "metric": "x", "value": 1.0,
            "low": 0.5, "high": 1.5, "sentence": "a beats b"}  # fmt: skip
    assert Comparison.model_validate(bare).verdict is None
