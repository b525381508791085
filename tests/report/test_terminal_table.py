import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from p5rec.evaluate.schema import Comparison
from p5rec.report.terminal import WIDTH, table


def test_the_best_comes_first_and_is_marked(method, report):
    lines = table(
        report(
            method("popularity", {"HR@10": 0.0795, "NDCG@10": 0.0368}),
            method("small", {"HR@10": 0.1941, "NDCG@10": 0.0301}, invalid_rate=0.00001),
        )
    ).splitlines()
    assert lines[0] == (
        "sequential, test: leave-one-out split, all 30 items ranked, seen items excluded"
    )
    small, popularity = lines[4:6]
    assert small.startswith("small       .1941* [.1841, .2041]  .0301  [.0201, .0401]")
    assert popularity.startswith("popularity  .0795  [.0695, .0895]  .0368* [.0268, .0468]")
    assert "<0.01 %" in small
    assert lines[-1].startswith("[low, high] is the 95 % interval over 1,000 bootstrap resamples")


def test_lower_errors_are_best_and_ratings_have_no_repeats(method, report):
    made = report(
        method("mean", {"RMSE": 1.1}, "rating", duplicate_rate=None),
        method("bias", {"RMSE": 0.9}, "rating", duplicate_rate=None),
    )
    head, _, first, second = table(made).splitlines()[2:6]
    assert "repeated" not in head
    assert first.startswith("bias     .9000* [.8900, .9100]")
    assert second.startswith("mean    1.1000  [1.0900, 1.1100]")


def test_a_task_is_followed_by_comparisons_in_its_first_metric(method, report):
    def comparison(task, metric):
        return Comparison(
            a="a", b="b", task=task, split="test", metric=metric, value=1, low=1, high=1,
            sentence=f"a beats b in {metric} of {task}",
        )  # fmt: skip

    made = report(
        method("a", {"HR@10": 0.2, "NDCG@10": 0.1}),
        method("a", {"RMSE": 0.2}, "rating"),
        comparisons=[
            comparison("rating", "RMSE"),
            comparison("sequential", "HR@10"),
            comparison("sequential", "x"),
        ],
    )
    text = table(made)
    assert "of x" not in text
    assert text.index("HR@10 of sequential") < text.index("rating, test") < text.index("RMSE of")


NAMES = ("HR@10", "NDCG@10"), ("RMSE", "MAE", "AUC"), ("BLEU-4", "ROUGE-1", "ROUGE-L", "other")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.text(st.characters(codec="ascii", exclude_categories=["C"]), max_size=60),
             min_size=1, max_size=4),
    st.sampled_from(NAMES),
    st.floats(-1e4, 1e4),
    st.integers(0, 10**9),
)  # fmt: skip
@example(["0" * 24], NAMES[1], -1000.0, 10**6)  # no interval fits
@example(["0" * 24], NAMES[2], -9999.5, 10**9)
def test_the_table_fits_the_terminal(method, report, names, metrics, value, n):
    made = report(*(method(name, dict.fromkeys(metrics, value), n=n) for name in names))
    lines = table(made).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert len(lines) == 4 + len(names) + 2


def test_a_wide_table_drops_its_last_intervals_first(method, report):
    def row(name):
        made = method(name, {"RMSE": 1.0, "MAE": 2.0, "AUC": 0.5}, "rating")
        return table(report(made)).splitlines()[4]

    short, long = row("m"), row("m" * 30)
    assert (short.count("["), long.count("[")) == (2, 1)
    assert short.startswith("m       1.0000  [.9900, 1.0100]  2.0000  [1.9900, 2.0100]  .5000   ")
    assert long.startswith("m" * 10 + "..." + "m" * 11 + "  1.0000  [.9900, 1.0100]  2.0000 ")


@pytest.mark.parametrize("value", [None, float("nan")])
def test_a_missing_value_is_a_dash_and_comes_last(method, report, value):
    known = method("known", {"HR@10": 0.1})
    blank = {"value": value, "low": None, "high": None}
    unknown = known.model_copy(update={"name": "unknown"}).dump() | {"metrics": {"HR@10": blank}}
    rows = table(report(unknown, known)).splitlines()[4:6]
    assert [row.split()[0] for row in rows] == ["known", "unknown"]
    assert rows[1].split()[1] == "-"
