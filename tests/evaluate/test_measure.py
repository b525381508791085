import numpy as np
import pytest
from mean_intervals import mean_intervals

from p5rec.core.types import RankedLists
from p5rec.evaluate.compare import compare
from p5rec.evaluate.measure import accuracy, ranking, rating, text
from p5rec.evaluate.measured import average

RUN = {"split": "test", "seed": 0}


def values(measured):
    return {name: measure.value for name, measure in measured.method.metrics.items()}


def test_ranking_by_hand(corpus, ranked_at):
    found = ranking("m", ranked_at(1, 3, 6, 0), np.arange(20, 24), corpus, **RUN)
    assert values(found) == pytest.approx(
        {
            "HR@5": 0.5, "NDCG@5": (1 + 0.5) / 4, "MRR@5": (1 + 1 / 3) / 4,
            "HR@10": 0.75, "NDCG@10": (1 + 0.5 + 1 / np.log2(7)) / 4,
            "MRR@10": (1 + 1 / 3 + 1 / 6) / 4,
        }
    )  # fmt: skip
    hit = found.method.metrics["HR@10"]
    assert 0 <= hit.low < hit.value < hit.high <= 1
    assert found.values["HR@10"].tolist() == [1, 1, 1, 0]
    assert found.method.n == 4
    assert found.method.task == "sequential"
    # items 0 .. 9 and three targets, of 30
    assert found.method.other_metrics["coverage"] == pytest.approx(13 / 30)
    assert found.method.other_metrics["short_rate"] == 0
    # item i was trained on by the users u with u + 5 > i, the targets by nobody
    assert found.method.other_metrics["popularity"] == pytest.approx((3 * 26 - 4 - 4 - 3 + 26) / 40)
    # genres alternate: a drama and a comedy have no genre in common
    assert 0.5 < found.method.other_metrics["diversity"] < 0.6


def test_invalid_repeated_and_missing_entries_are_counted(corpus, ranked_at):
    lists = ranked_at(1, 0, 0, 0)
    items = lists.items.copy()
    items[1, 0], items[2, 1], items[3, 9] = 99, items[2, 0], -1  # no item, a repeat, a short list
    faulty = RankedLists(lists.users, items, lists.scores)
    method = ranking("m", faulty, np.arange(20, 24), corpus, **RUN).method
    assert method.invalid_rate == pytest.approx(1 / 39)
    assert method.duplicate_rate == pytest.approx(1 / 39)
    assert method.other_metrics["short_rate"] == 0.25


def test_lists_shorter_than_every_depth_are_measured_at_their_length(corpus, ranked_at):
    lists = ranked_at(1, 3, 0, 0)
    short = RankedLists(lists.users, lists.items[:, :2], lists.scores[:, :2])
    found = ranking("m", short, np.arange(20, 24), corpus, **RUN)
    assert values(found) == {"HR@2": 0.25, "NDCG@2": 0.25, "MRR@2": 0.25}
    assert set(found.method.slices["short-history"].metrics) == {"HR@2", "NDCG@2"}


def test_slices_have_counts_and_unsupported_ones_are_marked(corpus, ranked_at):
    lists, targets = ranked_at(1, 3, 6, 0), np.arange(20, 24)
    sliced = ranking("m", lists, targets, corpus, **RUN).method.slices
    assert sliced["unseen-item"].n == 4  # no target was trained on
    assert sliced["unseen-item"].metrics["HR@10"].value == 0.75
    assert sliced["short-history"].n == 1  # user 0 alone has five training events
    assert sliced["short-history"].metrics["HR@10"].value == 1
    assert sliced["item-frequency-q1"].n == 0
    assert sliced["item-frequency-q1"].metrics["HR@10"].value is None
    blind = ranking("m", lists, targets, corpus, unsupported=("unseen-item",), **RUN).method.slices
    assert (blind["unseen-item"].n, blind["unseen-item"].metrics) == (4, "unsupported")


def test_instances_without_a_user_are_resampled_singly(corpus, ranked_at):
    lists = ranked_at(1, 3, 6, 0)
    nobody = RankedLists(np.full(4, -1, dtype=np.int32), lists.items, lists.scores)
    found = ranking("m", nobody, np.arange(20, 24), corpus, **RUN).method
    assert found.metrics["HR@10"].low < found.metrics["HR@10"].high
    assert found.slices["short-history"].n == 0


def test_ratings_are_clipped_and_unparsed_ones_count_as_the_middle():
    predictions = np.array([9.0, np.nan, 2.0, -3.0])
    ratings = np.array([5.0, 3.0, 4.0, 1.0])
    found = rating("m", predictions, ratings, np.arange(4), (1, 5), about={"heads": 2}, **RUN)
    # errors 0, 0, 2, 0; liked are 5 and 4, scored 5 and 2, against 3 and 1
    assert values(found) == pytest.approx({"RMSE": 1.0, "MAE": 0.5, "AUC": 0.75})
    assert found.method.about == {"heads": 2, "parse_rate": 0.75}
    assert found.method.invalid_rate == 0.25
    assert found.method.duplicate_rate is None


def test_text_is_compared_with_references_and_item_attributes(corpus):
    texts = ["A drama, no comedy.", "A drama, no comedy.", " "]
    references = ["A drama, no comedy.", "Something else entirely here.", "Words."]
    found = text("m", texts, references, np.array([0, 1, 2]), corpus.catalog, np.arange(3), **RUN)
    got = values(found)
    assert list(got) == ["BLEU-4", "ROUGE-1", "ROUGE-2", "ROUGE-L", "groundedness"]
    assert got["ROUGE-1"] == pytest.approx(1 / 3)
    assert 0 < got["BLEU-4"] < 1
    assert got["groundedness"] == 0.5  # each names drama and comedy, and has one of them
    assert found.method.other_metrics == {"distinct_sentences": 0.5}
    assert found.method.invalid_rate == pytest.approx(1 / 3)


def test_accuracy_counts_unparsed_predictions_as_wrong():
    found = accuracy("m", np.array([1, 0, np.nan, 1]), np.arange(4), task="yesno", **RUN)
    assert values(found) == {"accuracy": 0.5}
    assert found.method.invalid_rate == 0.25
    assert found.method.task == "yesno"


def test_instances_of_a_user_are_resampled_together():
    correct = np.tile([1.0, 0.0], 50)
    apart = accuracy("m", correct, np.arange(100), **RUN).method.metrics["accuracy"]
    pairs = accuracy("m", correct, np.repeat(np.arange(50), 2), **RUN).method.metrics["accuracy"]
    assert apart.high - apart.low > 0.1
    assert (pairs.low, pairs.high) == (0.5, 0.5)  # every user has one of each


def test_runs_with_several_seeds_are_one_entry_of_means(corpus, ranked_at):
    targets = np.arange(20, 24)
    runs = [
        ranking("m", ranked_at(*ranks), targets, corpus, train_seconds=s, **RUN)
        for ranks, s in (((1, 1, 1, 0), 1.0), ((1, 0, 0, 0), 3.0))
    ]
    assert average(runs[:1], 0) is runs[0]
    both = average(runs, 0)
    assert values(both)["HR@10"] == pytest.approx(0.5)
    assert both.method.by_seed["HR@10"] == [0.75, 0.25]
    assert both.method.train_seconds == 2
    assert both.values["HR@10"].tolist() == [1, 0.5, 0.5, 0]
    # the interval of the mean over both runs, from a bootstrap of the means
    ours = both.method.metrics["HR@10"]
    (interval,) = mean_intervals({"x": np.array([1, 0.5, 0.5, 0])}, np.arange(4), seed=0).values()
    assert (ours.low, ours.high) == (interval.low, interval.high)
    slices = both.method.slices
    assert slices["unseen-item"].metrics["HR@10"].value == pytest.approx(0.5)
    assert slices["short-history"].metrics["HR@10"].value == 1
    assert slices["item-frequency-q1"].metrics["HR@10"].value is None


def test_a_mean_over_seeds_is_compared_like_one_run(corpus, ranked_at):
    targets = np.arange(20, 24)
    good, bad, none = (
        ranking("m", ranked_at(*ranks), targets, corpus, **RUN)
        for ranks in ((1, 1, 1, 1), (0, 0, 0, 0), (0, 0, 0, 0))
    )
    found = compare(average([good, bad], 0), none, "HR@10", 0)
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)


def test_an_unsupported_slice_stays_unsupported_on_average(corpus, ranked_at):
    runs = [
        ranking("m", ranked_at(1, 1, 1, 0), np.arange(20, 24), corpus,
                unsupported=("unseen-item",), **RUN)
        for _ in range(2)
    ]  # fmt: skip
    assert average(runs, 0).method.slices["unseen-item"].metrics == "unsupported"


def test_slices_of_ratings_are_averaged_over_seeds():
    ratings, sliced = (
        np.array([1.0, 2, 3, 4]),
        {"half": np.arange(4) < 2, "none": np.zeros(4, bool)},
    )
    runs = [
        rating("m", ratings + off, ratings, np.arange(4), (1, 9), slices=sliced, **RUN)
        for off in (1.0, 3.0)
    ]
    assert runs[0].method.slices["half"].metrics["RMSE"].value == 1
    slices = average(runs, 0).method.slices
    assert (slices["half"].n, slices["none"].n) == (2, 0)
    assert {name: found.value for name, found in slices["half"].metrics.items()} == {
        "RMSE": 2, "MAE": 2
    }  # fmt: skip
    assert slices["none"].metrics["RMSE"].value is None


def test_measures_without_slices_or_repeats_are_averaged_too():
    runs = [accuracy("m", np.array(right), np.arange(2), **RUN) for right in ([1.0, 1], [0.0, 1])]
    found = average(runs, 0).method
    assert found.metrics["accuracy"].value == pytest.approx(0.75)
    assert (found.duplicate_rate, found.slices) == (None, {})
