"""Every metric against a public library, or against its textbook formula in plain loops.

ranx and RecTools count MRR, Recall, Precision, MAP and (ranx) NDCG by the loops written out here.
"""

from math import log2

import numpy as np
import pytest
import sacrebleu
from hypothesis import example, given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from sklearn.metrics import brier_score_loss, log_loss, ndcg_score, roc_auc_score

from p5rec.metrics import area, beyond, probability, ranking, rating, text

EXACT = {"rtol": 0, "atol": 1e-9, "equal_nan": True}


def by_loops(listed, right, k):
    """One list: Järvelin and Kekäläinen 2002; Buckley and Voorhees 2000; Voorhees 1999."""
    seen, gain, precisions, first = set(), 0.0, 0.0, 0.0
    for place, item in enumerate(listed[:k], start=1):
        if item in right and item not in seen:
            seen.add(item)
            gain += 1 / log2(place + 1)
            precisions += len(seen) / place
            first = first or 1 / place
    ideal = sum(1 / log2(place + 1) for place in range(1, min(len(right), k) + 1))
    return {
        "HR": float(bool(seen)), "NDCG": gain / ideal, "MRR": first,
        "Recall": len(seen) / len(right), "Precision": len(seen) / k,
        "MAP": precisions / len(right),
    }  # fmt: skip


lists = st.lists(st.integers(0, 12), max_size=8)
sets = st.sets(st.integers(0, 12), min_size=1, max_size=6)


@given(st.lists(st.tuples(lists, sets), min_size=1, max_size=4), st.integers(1, 8))
@example([([], {3})], 2)  # an empty list
@example([([3, 3, 3, 5], {3, 5})], 4)  # an item listed again
@example([([1, 2], {9})], 2)  # no hit
@example([([4, 1], {4, 1, 0, 2, 3})], 1)  # more relevant items than ranks
def test_ranking(rows, k):
    items, right = np.full((len(rows), 8), -1), np.full((len(rows), 6), -1)
    for n, (listed, relevant) in enumerate(rows):
        items[n, : len(listed)] = listed
        right[n, : len(relevant)] = sorted(relevant)
    result = ranking.per_user(items, right, (k,))
    for n, (listed, relevant) in enumerate(rows):
        for name, value in by_loops(listed, relevant, k).items():
            np.testing.assert_allclose(result[f"{name}@{k}"][n], value, **EXACT)


def test_ndcg_is_scikit_learns():
    rng = np.random.default_rng(0)
    scores = rng.permuted(np.tile(np.arange(40.0), (30, 1)), axis=1)  # no ties: one order
    relevant = rng.random((30, 40)) < 0.15
    relevant[:, 0] = True
    items = np.argsort(-scores, axis=1)
    right = np.where(relevant, np.arange(40), -1)
    for k in (1, 5, 40):
        result = ranking.per_user(items, right, (k,))[f"NDCG@{k}"]
        np.testing.assert_allclose(result.mean(), ndcg_score(relevant, scores, k=k), **EXACT)


probabilities = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]) | st.floats(0, 1)


@given(st.lists(st.tuples(probabilities, st.booleans()), min_size=1, max_size=30))
@example([(0.5, True), (0.5, False), (0.5, False)])  # equal predictions
@example([(0.2, True), (0.8, True)])  # a single class
@example([(0.0, True), (1.0, False)])  # certain, and wrong
def test_probability_metrics(rows):
    predictions, labels = (np.array(column) for column in zip(*rows, strict=True))
    result = probability.summary(predictions, labels)
    np.testing.assert_allclose(result["Brier"], brier_score_loss(labels, predictions), **EXACT)
    expected = log_loss(labels, predictions, labels=[False, True])
    np.testing.assert_allclose(result["log loss"], expected, **EXACT)
    if labels.all() or not labels.any():
        assert np.isnan(result["AUC"])
    else:
        np.testing.assert_allclose(result["AUC"], roc_auc_score(labels, predictions), **EXACT)
    ordered, bins, gaps = np.sort(predictions), np.arange(1, 15) / 15, {}
    ends = [ordered[int(np.ceil(share * len(ordered) - 1e-9)) - 1] for share in bins]
    for prediction, label in zip(predictions, labels, strict=True):
        own = sum(prediction > end for end in ends)
        gaps[own] = gaps.get(own, 0) + prediction - label
    error = sum(abs(gap) for gap in gaps.values()) / len(predictions)
    np.testing.assert_allclose(result["ECE"], error, **EXACT)


def test_calibration_error_uses_bins_of_equal_mass():
    labels = np.arange(300) % 2
    assert probability.calibration_error(np.full(300, 0.5), labels) == 0
    predictions, wrong = np.repeat(np.arange(1, 16) / 16, 20), np.tile([0, 1], 150)
    expected = np.abs(np.arange(1, 16) / 16 - 0.5).mean()
    assert probability.calibration_error(predictions, wrong) == pytest.approx(expected)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.booleans()), min_size=1))
def test_mean_area_over_users(rows):
    users, scores, positive = (np.array(column) for column in zip(*rows, strict=True))
    areas, counts = [], []
    for user in set(users.tolist()):
        own = users == user
        if len(set(positive[own].tolist())) == 2:
            areas.append(roc_auc_score(positive[own], scores[own]))
            counts.append(own.sum())
    expected = np.average(areas, weights=counts) if areas else np.nan
    result = area.mean_area(scores, positive, users)(np.ones((1, len(users))))[0, 0]
    np.testing.assert_allclose(result, expected, **EXACT)


@given(
    st.lists(
        st.tuples(st.integers(0, 90), st.booleans(), st.integers(0, 4)), min_size=1, max_size=150
    ),
    st.integers(0, 9),
)
def test_the_area_of_weighted_users_is_that_of_repeated_instances(rows, seed):
    scores, positive, users = (np.array(column) for column in zip(*rows, strict=True))
    weights = np.random.default_rng(seed).integers(0, 4, (3, 5)).astype(float)
    areas = area.area(scores, positive).of_units(users)(weights[:, : users.max() + 1])[:, 0]
    for result, own in zip(areas, weights.astype(int), strict=True):
        times = own[users]
        labels = np.repeat(positive, times)
        if len(set(labels.tolist())) < 2:
            assert np.isnan(result)
        else:
            expected = roc_auc_score(labels, np.repeat(scores, times))
            np.testing.assert_allclose(result, expected, **EXACT)


def test_invalid_probabilities_are_refused():
    nothing = probability.summary(np.empty(0), np.empty(0))
    assert np.isnan(list(nothing.values())).all()
    for predictions in ([1.1], [-0.1], [np.nan]):
        with pytest.raises(ValueError, match="between 0 and 1"):
            probability.losses(np.array(predictions), np.array([1]))
    with pytest.raises(ValueError, match="do not fit"):
        probability.losses(np.array([0.5, 0.5]), np.array([1]))


def test_rating_errors():
    rng = np.random.default_rng(1)
    predictions, ratings = rng.normal(3, 1, 200), rng.integers(1, 6, 200).astype(float)
    result = rating.summary(predictions, ratings)
    gaps = [p - r for p, r in zip(predictions.tolist(), ratings.tolist(), strict=True)]
    np.testing.assert_allclose(result["RMSE"], (sum(g * g for g in gaps) / 200) ** 0.5, **EXACT)
    np.testing.assert_allclose(result["MAE"], sum(map(abs, gaps)) / 200, **EXACT)
    np.testing.assert_allclose(result["AUC"], roc_auc_score(ratings >= 4, predictions), **EXACT)


WORDS = ("a", "film", "about", "war", ",", "two", "brothers", "and", "It's", "fun", ".")
words = st.lists(st.sampled_from(WORDS))
texts = st.lists(words.map(" ".join), min_size=3, max_size=3)


@given(texts, texts)
@example(["", "a", "war"], ["a film", "", "war"])
def test_texts(predictions, references):
    expected = sacrebleu.corpus_bleu(predictions, [references]).score / 100
    np.testing.assert_allclose(
        text.bleu(predictions, references)(np.ones((1, 3)))[0, 0], expected, **EXACT
    )
    result = text.rouge(predictions, references)
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"])
    for n in range(3):
        scores = scorer.score(references[n], predictions[n]).values()
        for value, score in zip(result.values(), scores, strict=True):
            np.testing.assert_allclose(value[n], score.fmeasure, **EXACT)


def test_beyond():
    rng = np.random.default_rng(2)
    items = np.stack([rng.permutation(20)[:5] for _ in range(12)])
    items[3, 2:], items[7] = -1, -1
    counts = rng.integers(0, 30, 20)
    metrics_of_lists = {
        "novelty": beyond.novelty(items, counts),
        "popularity": beyond.popularity(items, counts),
    }
    for n, row in enumerate(items.tolist()):
        own = [i for i in row if i >= 0]
        bits = [-log2((counts[i] + 1) / (counts.sum() + 20)) for i in own]
        novelty = sum(bits) / len(own) if own else np.nan
        popularity = sum(counts[i] for i in own) / len(own) if own else np.nan
        np.testing.assert_allclose(metrics_of_lists["novelty"][n], novelty, **EXACT)
        np.testing.assert_allclose(metrics_of_lists["popularity"][n], popularity, **EXACT)
    exposures = [sum(i == item for i in items.ravel()) for item in range(20)]
    pairs = sum(abs(a - b) for a in exposures for b in exposures)
    np.testing.assert_allclose(beyond.gini(items, 20), pairs / (2 * 20 * sum(exposures)), **EXACT)
    np.testing.assert_allclose(
        beyond.coverage(items, 20), sum(n > 0 for n in exposures) / 20, **EXACT
    )
    sets = [{str(v) for v in rng.integers(0, 6, 3)} for _ in range(20)]
    result = beyond.intra_list_diversity(items, beyond.indicators([sorted(own) for own in sets]))
    for n, row in enumerate(items.tolist()):
        own = [sets[i] for i in row if i >= 0]
        apart = [
            1 - len(one & other) / (len(one) * len(other)) ** 0.5
            for at, one in enumerate(own)
            for other in own[:at]
        ]
        np.testing.assert_allclose(result[n], np.mean(apart) if apart else np.nan, **EXACT)
