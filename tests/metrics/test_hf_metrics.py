import evaluate
import numpy as np
import pytest

from p5rec.metrics import hf, ranking, rating


@pytest.fixture
def made(tmp_path):
    """Makes a metric that writes below ``tmp_path`` alone."""
    return lambda kind: kind(cache_dir=str(tmp_path))


def test_ranking_and_list_faults_combine(made):
    both = evaluate.combine([made(hf.Ranking), made(hf.ListFaults)])
    lists, targets = [[1, 2, 3], [4, 4], []], [2, 4, 0]
    found = both.compute(predictions=lists, references=targets, ks=(2, 5), n_items=4)
    items = np.array([[1, 2, 3, -1, -1], [4, 4, -1, -1, -1], [-1] * 5])
    expected = ranking.per_user(items, np.array(targets), (2, 5))
    for name, value in expected.items():
        assert found[name] == pytest.approx(value.mean())
    assert found["invalid_rate"] == pytest.approx(2 / 5)
    assert found["duplicate_rate"] == pytest.approx(1 / 5)


def test_rating_clips(made):
    found = made(hf.Rating).compute(
        predictions=[0.0, 9.0, 3.0], references=[1.0, 5.0, 4.0], scale=(1, 5)
    )
    assert found == pytest.approx(
        rating.summary(np.array([1.0, 5.0, 3.0]), np.array([1.0, 5.0, 4.0]))
    )


def test_text_metrics_combine(made):
    combined = evaluate.combine([made(hf.Bleu), made(hf.Rouge), made(hf.DistinctSentences)])
    texts = ["the cat sat on the mat", "a dog ran over the road", "a dog ran over the road"]
    found = combined.compute(predictions=texts, references=texts)
    assert found == pytest.approx(
        {"BLEU-4": 1, "ROUGE-1": 1, "ROUGE-2": 1, "ROUGE-L": 1, "distinct_sentences": 2 / 3}
    )


def test_batches_add_up(made):
    metric = made(hf.Ranking)
    for lists, target in ([[1, 2]], 1), ([[3, 1]], 1):
        metric.add_batch(predictions=lists, references=[target])
    assert metric.compute(ks=(1, 2))["HR@1"] == 0.5
