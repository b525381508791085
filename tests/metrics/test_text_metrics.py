import numpy as np
import pytest
import sacrebleu

from p5rec.metrics import text
from p5rec.metrics.intervals import bootstrap, ratio_of

TEXTS = ["the cat sat on the mat", "a film about two brothers and a war", "great", "x y a b c z"]
PEOPLE = ["the cat sat on a mat", "a film about brothers and their war", "great fun", "x y d e f z"]


def test_bleu_is_sacrebleu():
    expected = sacrebleu.corpus_bleu(TEXTS, [PEOPLE]).score / 100
    assert text.bleu(TEXTS, PEOPLE)(np.ones((1, 4)))[0, 0] == pytest.approx(expected)


def test_weighted_bleu_equals_that_of_repeated_texts():
    weights = np.array([[2, 0, 1, 1], [0, 0, 3, 0], [0, 0, 0, 1]])
    for row, value in zip(weights, text.bleu(TEXTS, PEOPLE)(weights)[:, 0], strict=True):
        drawn = np.repeat(TEXTS, row).tolist(), [np.repeat(PEOPLE, row).tolist()]
        assert value == pytest.approx(sacrebleu.corpus_bleu(*drawn).score / 100)


def test_hand_counted_rouge():
    result = text.rouge(["a b c d"], ["a c b e"])
    assert result["ROUGE-1"][0] == pytest.approx(3 / 4)
    assert result["ROUGE-2"][0] == 0
    assert result["ROUGE-L"][0] == pytest.approx(2 / 4)


def test_distinct_sentences():
    assert text.distinct_sentences(["Good film. I liked it!", "good  film.", "Bad."]) == 3 / 4
    assert text.distinct_sentences(["v2.0 is fine"]) == 1
    assert np.isnan(text.distinct_sentences(["", "..."]))


VALUES = [("Science Fiction", "1999"), ("Fiction", "Drama"), (), ("Kids' & Family",)]


@pytest.mark.parametrize(
    ("sentence", "item", "expected"),
    [
        ("A science-fiction film of 1999.", 0, (2, 2)),  # "fiction" inside the longer value
        ("A drama, a DRAMA with dramatic turns", 1, (1, 1)),
        ("A drama of 1999", 1, (1, 2)),
        ("fiction and science fiction", 1, (1, 2)),
        ("science fact", 0, (0, 0)),
        ("for kids & family", 3, (1, 1)),
        ("for KIDS' and family; kids family", 3, (1, 1)),
        ("fiction", 2, (0, 1)),
        ("", 0, (0, 0)),
    ],
)
def test_groundedness_counts(sentence, item, expected):
    assert tuple(text.groundedness([sentence], np.array([item]), VALUES)[0]) == expected


def test_groundedness_is_a_ratio_of_sums():
    counts = text.groundedness(["drama of 1999", "nothing", "fiction"], np.array([1, 1, 1]), VALUES)
    interval = bootstrap(ratio_of(counts[:, 0], counts[:, 1]), np.arange(3), seed=0)[0]
    assert interval.value == pytest.approx(2 / 3)
    assert interval.low < interval.value < interval.high == 1


def test_no_texts():
    assert text.groundedness([], np.empty(0, dtype=int), VALUES).shape == (0, 2)
    assert text.rouge([], [])["ROUGE-L"].shape == (0,)
    assert text.bleu([], [])(np.ones((1, 0))).shape == (1, 1)
