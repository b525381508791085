import evaluate
import numpy as np
import pytest

from p5rec.metrics import beyond, hf, probability, ranking, rating


@pytest.fixture
def metric_of(tmp_path):
    """Creates a metric that writes only under ``tmp_path``."""
    return lambda kind: kind(cache_dir=str(tmp_path))


def test_ranking_and_list_errors_combine(metric_of):
    both = evaluate.combine([metric_of(hf.Ranking), metric_of(hf.ListErrors)])
    lists, targets = [[1, 2, 3], [4, 4], []], [2, 4, 0]
    result = both.compute(predictions=lists, references=targets, ks=(2, 5), n_items=4)
    items = np.array([[1, 2, 3, -1, -1], [4, 4, -1, -1, -1], [-1] * 5])
    expected = ranking.per_user(items, np.array(targets), (2, 5))
    for name, value in expected.items():
        assert result[name] == pytest.approx(value.mean())
    assert result["invalid_rate"] == pytest.approx(2 / 5)
    assert result["duplicate_rate"] == pytest.approx(1 / 5)


def test_rating_clips(metric_of):
    result = metric_of(hf.Rating).compute(
        predictions=[0.0, 9.0, 3.0], references=[1.0, 5.0, 4.0], scale=(1, 5)
    )
    assert result == pytest.approx(
        rating.summary(np.array([1.0, 5.0, 3.0]), np.array([1.0, 5.0, 4.0]))
    )


def test_text_metrics_combine(metric_of):
    combined = evaluate.combine(
        [metric_of(hf.Bleu), metric_of(hf.Rouge), metric_of(hf.DistinctSentences)]
    )
    texts = ["the cat sat on the mat", "a dog ran over the road", "a dog ran over the road"]
    result = combined.compute(predictions=texts, references=texts)
    assert result == pytest.approx(
        {"BLEU-4": 1, "ROUGE-1": 1, "ROUGE-2": 1, "ROUGE-L": 1, "distinct_sentences": 2 / 3}
    )


def test_batches_add_up(metric_of):
    metric = metric_of(hf.Ranking)
    for lists, target in ([[1, 2]], 1), ([[3, 1]], 1):
        metric.add_batch(predictions=lists, references=[target])
    assert metric.compute(ks=(1, 2))["HR@1"] == 0.5


def test_several_relevant_items_per_list(metric_of):
    result = metric_of(hf.Ranking).compute(
        predictions=[[1, 2, 3], [4]], references=[[3, 9], [4]], ks=(3,)
    )
    items, right = np.array([[1, 2, 3], [4, -1, -1]]), np.array([[3, 9], [4, -1]])
    expected = ranking.per_user(items, right, (3,))
    assert result == pytest.approx({name: value.mean() for name, value in expected.items()})
    assert {"Recall@3", "Precision@3", "MAP@3"} < set(result)


def test_probabilities(metric_of):
    probabilities, labels = np.array([0.9, 0.2, 0.6]), np.array([1, 0, 0])
    result = metric_of(hf.Probability).compute(predictions=probabilities, references=labels)
    assert result == pytest.approx(probability.summary(probabilities, labels))
    one_class = metric_of(hf.Probability).compute(predictions=[0.9], references=[1])
    assert np.isnan(one_class["AUC"])
    assert one_class["Brier"] == pytest.approx(0.01)


def test_beyond_accuracy_metrics_combine_with_ranking(metric_of):
    both = evaluate.combine([metric_of(hf.Ranking), metric_of(hf.Beyond)])
    catalogue = {"ks": (2,), "train_counts": [3, 1, 0], "attributes": [("a",), ("b",), ("a", "b")]}
    result = both.compute(predictions=[[0, 1], [2]], references=[0, 1], **catalogue)
    items = np.array([[0, 1], [2, -1]])
    assert result["HR@2"] == 0.5
    assert result["coverage"] == 1
    assert result["popularity"] == 1
    assert result["novelty_bits"] == beyond.novelty(items, np.array([3, 1, 0])).mean()
    assert result["diversity"] == 1
    by_vectors = metric_of(hf.Beyond).compute(
        predictions=[[0, 1]], references=[0], train_counts=[1, 1], vectors=np.array([[1.0], [2.0]])
    )
    assert by_vectors["diversity"] == pytest.approx(0)
    plain = metric_of(hf.Beyond).compute(predictions=[[0, 1]], references=[0], train_counts=[1, 1])
    assert "diversity" not in plain
    invalid = metric_of(hf.Beyond).compute(
        predictions=[[0, 9]], references=[0], train_counts=[1, 1]
    )
    assert invalid["coverage"] == 0.5


def test_groundedness_is_none_without_attribute_values(metric_of):
    facts = {"attributes": [("Drama", "1999"), ("Comedy",)]}
    result = metric_of(hf.Groundedness).compute(
        predictions=["A comedy of 1999.", "nothing"], references=[0, 1], **facts
    )
    assert result == {"groundedness": 0.5, "named": 2}
    without = metric_of(hf.Groundedness).compute(predictions=["nothing"], references=[0], **facts)
    assert without == {"groundedness": None, "named": 0}
