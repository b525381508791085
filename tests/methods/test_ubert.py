"""U-BERT: its reviews, its opinion words, and what fine-tuning inherits from pre-training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from fits import Fits
from method_kinds import UBERT, baseline_of, sample_fits

from p5rec.core.errors import UserError
from p5rec.core.features import Behaviours
from p5rec.core.types import Corpus, Histories, Interactions
from p5rec.methods.arrays import load_arrays
from p5rec.methods.folder import contents
from p5rec.methods.systems.ubert.kinds import Ubert, UbertPretraining
from p5rec.methods.systems.ubert.lexicon import opinion_words
from p5rec.methods.systems.ubert.predictor import pairs_of
from p5rec.methods.systems.ubert.pretraining import permuted
from p5rec.methods.systems.ubert.reviews import FIRST, Reviews, numbers, texts_of, vocabulary
from p5rec.methods.systems.ubert.training import Examples
from p5rec.models.ubert import CoMatching, ReviewEncoder, UbertShape, attention
from p5rec.prompting.sample import sample_view

pytestmark = pytest.mark.system("u-bert")

WORDS = np.array([[3, 4], [5, 0], [0, 0], [4, 3], [6, 6]])


@pytest.fixture
def reviews(build: Callable[..., tuple[Interactions, object]]) -> Reviews:
    """Users 0, 1, 2 and their events of items; the third event has no review."""
    log, _ = build([[0, 1, 2], [0], [1]], 4)
    return Reviews.of(log, np.arange(5), WORDS, 2)


@pytest.fixture
def fits(tmp_path: Path) -> Fits:
    return sample_fits(tmp_path)


@pytest.fixture
def corpus() -> Corpus:
    """Two domains: the first four books are the source."""
    corpus = sample_view().corpus
    log = corpus.interactions
    domains = Behaviours((log.items >= 4).astype(np.int8), ("old", "new"), ("new",), (1.0, 1.0))
    return replace(corpus, interactions=replace(log, behaviours=domains))


def fitted(method: Ubert | UbertPretraining, corpus: Corpus, folder: Path, **inputs: Path) -> Path:
    folder.mkdir()
    method.fit(corpus, folder, seed=1, inputs=inputs)
    return folder


def test_the_latest_reviews_of_users_and_items(reviews: Reviews) -> None:
    absent = 4  # four events have a review
    assert reviews.words.tolist() == [[3, 4], [5, 0], [4, 3], [6, 6], [0, 0]]
    assert reviews.of_users.tolist() == [[1, 0], [2, 4], [3, 4], [4, 4]]
    assert reviews.of_items.tolist() == [[2, 0], [3, 1], [4, 4], [4, 4]]
    assert (reviews.users[absent], reviews.items[absent]) == (-1, -1)


def test_a_review_of_the_pair_is_never_input(reviews: Reviews) -> None:
    users, items = np.array([0, 0, 1, 2, -1]), np.array([0, 3, 0, 0, 0])
    of_users, of_items = reviews.of_pairs(users, items)
    assert of_users.tolist() == [[1, 4], [1, 0], [4, 4], [3, 4], [4, 4]]
    assert of_items.tolist() == [[2, 4], [4, 4], [4, 0], [2, 0], [2, 0]]
    assert not ((reviews.items[of_users] == items[:, None]) & (of_users < 4)).any()
    assert not ((reviews.users[of_items] == users[:, None]) & (of_items < 4)).any()


def test_distinct_reviews_are_encoded_once(reviews: Reviews) -> None:
    users, items = np.array([0, 1, 2]), np.array([3, 1, 0])
    once, each = (pairs_of(reviews, users, items, distinct=d) for d in (True, False))
    assert len(once.words) < len(each.words) == 3 * 2 * 2
    for name in ("user_reviews", "item_reviews"):
        assert torch.equal(once.words[getattr(once, name)], each.words[getattr(each, name)])


def test_words_of_texts() -> None:
    texts = [["a", "b", "a"], [], ["c", "b", "a", "b"]]
    words = vocabulary(texts, 2, 5)
    assert words == ["a", "b"]
    assert numbers(texts, words, 3).tolist() == [
        [FIRST, FIRST + 1, FIRST], [0, 0, 0], [FIRST - 1, FIRST + 1, FIRST],
    ]  # fmt: skip
    log = sample_view().corpus.interactions
    log = replace(log, texts={"review": pa.chunked_array([["So <|endoftext|> GOOD."] * len(log)])})
    assert texts_of(log, np.array([0])) == [["so", "endoftext", "good"]]
    assert texts_of(replace(log, texts={}), np.array([0, 1])) == [[], []]


def test_opinion_words_are_common_or_private() -> None:
    common, private, filler = 1, 2, 3
    words, users, ratings = [], [], []
    for user in range(8):
        for n in range(8):
            good = n % 2
            agrees = (good + user) % 2  # word 2 pleases the odd users and annoys the others
            words.append([common * good, private * agrees, filler * (n // 2 % 2)])
            users.append(user)
            ratings.append(2.0 + 2 * good)
    columns = np.array(words), np.array(users)
    domains = np.tile([0, 1], 32)
    found = opinion_words(*columns, domains * 0, np.array(ratings), 10)
    assert found.tolist() == [common, private]
    assert len(opinion_words(*columns, domains * 0, np.array(ratings), 1)) == 1
    assert opinion_words(*columns, domains, np.array(ratings), 10).tolist() == [private]
    assert not len(opinion_words(*columns, domains, np.full(64, 3.0), 10))


def test_permuted_users_get_the_events_of_another() -> None:
    users = np.array([0, 0, 3, 1, 3])
    moved = permuted(users, np.arange(5, dtype=np.uint64), 0)
    assert (moved != users).all()
    assert {*moved.tolist()} == {0, 1, 3}
    assert moved[0] == moved[1]


def test_padding_changes_nothing() -> None:
    shape = UbertShape(2, 2, 1, 9, 6, 8, 1, 2, 0.0)
    encoder, matching = ReviewEncoder(shape).eval(), CoMatching(8).eval()
    short, long = torch.tensor([[3, 4]]), torch.tensor([[3, 4, 0, 0]])
    states, padded = encoder(short), encoder(long)
    torch.testing.assert_close(states, padded[:, :2])
    real, other = short > 0, torch.randn(1, 3, 8)
    seen = torch.tensor([[True, True, False]])
    torch.testing.assert_close(
        matching(states, real, other[:, :2], seen[:, :2]),
        matching(padded, long > 0, other, seen),
    )
    assert not matching(states, real & False, other, seen & False).any()
    assert attention(torch.ones(2, 2), torch.tensor([[True, False], [False, False]])).tolist() == [
        [1, 0], [0, 0],
    ]  # fmt: skip


def test_fits_read_training_reviews_only(corpus: Corpus, tmp_path: Path) -> None:
    log, train = corpus.interactions, corpus.split.mask("train")
    others = [
        text if trained else "quite another text"
        for text, trained in zip(log.texts["review"].to_pylist(), train, strict=True)
    ]
    altered = replace(
        corpus, interactions=replace(log, texts={**log.texts, "review": pa.chunked_array([others])})
    )
    found = []
    for name, each in (("one", corpus), ("two", altered)):
        start = fitted(UbertPretraining(**UBERT), each, tmp_path / f"{name} pretrained")
        tuned = fitted(Ubert(**UBERT, patience=0), each, tmp_path / name, start=start)
        found.append((contents(start), contents(tuned)))
    assert found[0] == found[1]


def test_pretraining_is_on_the_source_and_reviews_are_of_the_target(corpus: Corpus) -> None:
    examples = Examples.of(UbertPretraining(**UBERT), corpus)
    assert examples.names.domains == ("new", "old")
    assert (examples.domains == 1).tolist() == (examples.items < 4).tolist()
    assert set(examples.reviews(4).items[:-1].tolist()) <= {4, 5, 6, 7}


def test_fine_tuning_starts_from_the_pre_trained_users(corpus: Corpus, tmp_path: Path) -> None:
    start = fitted(UbertPretraining(**{**UBERT, "epochs": 3}), corpus, tmp_path / "start")
    still = {"learning_rate": 1e-9, "embedding_learning_rate": 1e-9, "patience": 0}
    method = Ubert(**UBERT, **still)
    log = corpus.interactions
    renamed = np.append(log.user_keys[:3], np.uint64(5))  # a user that pre-training did not know
    other = replace(corpus, interactions=replace(log, user_keys=renamed))
    tuned = fitted(method, other, tmp_path / "tuned", start=start)
    old, new = load_arrays(start), load_arrays(tuned)
    users, words = "network.users.embeddings.weight", "network.reviews.words.weight"
    np.testing.assert_allclose(new[users][:3], old[users][:3], atol=1e-6)
    np.testing.assert_allclose(new[words], old[words], atol=1e-6)
    assert np.abs(old[users][:3]).max() > 1e-3
    assert np.abs(new[users][3:]).max() < 1e-6


def test_other_sizes_are_one_line(corpus: Corpus, tmp_path: Path) -> None:
    start = fitted(UbertPretraining(**UBERT), corpus, tmp_path / "start")
    with pytest.raises(UserError, match=r"start: expected a pre-trained U-BERT of the same sizes"):
        fitted(Ubert(**{**UBERT, "width": 8}), corpus, tmp_path / "wide", start=start)


def test_a_recipe_names_the_pre_training(fits: Fits) -> None:
    first = fits.fit(baseline_of("u-bert-pretraining"))
    named = baseline_of("u-bert", start="first")
    tuned, fresh = fits.fit(named, first=first), fits.fit(baseline_of("u-bert"))
    assert named.starts_from == "first"
    assert tuned.fit_stage.key != fresh.fit_stage.key
    with pytest.raises(UserError, match="expected a model of kind u-bert-pretraining"):
        fits.fit(baseline_of("u-bert", start=str(fresh.folder / "nowhere")))


def test_nobody_and_unseen_items_get_a_rating(fits: Fits) -> None:
    corpus = fits.prepared.corpus
    for kind in ("u-bert-pretraining", "u-bert"):
        model = baseline_of(kind).load(fits.fit(baseline_of(kind)).folder)
        requests = Histories(np.array([-1, 0], np.int32), np.zeros(0, np.int32), np.zeros(3, int))
        assert np.isfinite(model.predict_rating(requests, np.array([0, 7]))).all()
        with pytest.raises(ValueError, match="expected item rows"):
            model.predict_rating(requests, np.array([0, len(corpus.catalog)]))


def test_data_without_ratings_are_refused() -> None:
    corpus = sample_view().corpus
    bare = replace(corpus, interactions=replace(corpus.interactions, ratings=None))
    (line,) = baseline_of("u-bert").check_data(bare, ())
    assert line == "needs training events with ratings; set data.columns.rating"
