import evaluate
import numpy as np
import pytest

from p5rec.metrics import beyond, hf, probability, ranking, rating


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


def test_several_right_items(made):
    found = made(hf.Ranking).compute(
        predictions=[[1, 2, 3], [4]], references=[[3, 9], [4]], ks=(3,)
    )
    items, right = np.array([[1, 2, 3], [4, -1, -1]]), np.array([[3, 9], [4, -1]])
    expected = ranking.per_user(items, right, (3,))
    assert found == pytest.approx({name: value.mean() for name, value in expected.items()})
    assert {"Recall@3", "Precision@3", "MAP@3"} < set(found)


def test_chances(made):
    chances, said = np.array([0.9, 0.2, 0.6]), np.array([1, 0, 0])
    found = made(hf.Probability).compute(predictions=chances, references=said)
    assert found == pytest.approx(probability.summary(chances, said))
    one_class = made(hf.Probability).compute(predictions=[0.9], references=[1])
    assert np.isnan(one_class["AUC"])
    assert one_class["Brier"] == pytest.approx(0.01)


def test_lists_beyond_being_right_combine_with_ranking(made):
    both = evaluate.combine([made(hf.Ranking), made(hf.Beyond)])
    given = {"ks": (2,), "train_counts": [3, 1, 0], "attributes": [("a",), ("b",), ("a", "b")]}
    found = both.compute(predictions=[[0, 1], [2]], references=[0, 1], **given)
    items = np.array([[0, 1], [2, -1]])
    assert found["HR@2"] == 0.5
    assert found["coverage"] == 1
    assert found["popularity"] == 1
    assert found["novelty_bits"] == beyond.novelty(items, np.array([3, 1, 0])).mean()
    assert found["diversity"] == 1
    by_vectors = made(hf.Beyond).compute(
        predictions=[[0, 1]], references=[0], train_counts=[1, 1], vectors=np.array([[1.0], [2.0]])
    )
    assert by_vectors["diversity"] == pytest.approx(0)
    plain = made(hf.Beyond).compute(predictions=[[0, 1]], references=[0], train_counts=[1, 1])
    assert "diversity" not in plain
    invalid = made(hf.Beyond).compute(predictions=[[0, 9]], references=[0], train_counts=[1, 1])
    assert invalid["coverage"] == 0.5


def test_groundedness_is_none_where_nothing_is_named(made):
    facts = {"attributes": [("Drama", "1999"), ("Comedy",)]}
    found = made(hf.Groundedness).compute(
        predictions=["A comedy of 1999.", "nothing"], references=[0, 1], **facts
    )
    assert found == {"groundedness": 0.5, "named": 2}
    silent = made(hf.Groundedness).compute(predictions=["nothing"], references=[0], **facts)
    assert silent == {"groundedness": None, "named": 0}
