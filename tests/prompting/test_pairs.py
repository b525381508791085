"""Questions about any user and item: whose past they show, and what they may not hang on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_corpora import EACH, make_view

from p5rec.core.errors import UserError
from p5rec.core.examples import Example
from p5rec.core.types import TEST, TRAIN, Catalog, Corpus
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.pairs import TOLD, PairQuestions, PairView
from p5rec.prompting.source import PromptsConfig
from p5rec.tasks.view import CorpusView

PAIRS = np.array([[4, 3], [0, 7], [4, 3], [11, 0], [4, 9]], dtype=np.int32)
WHOLE = PromptsConfig(max_history=50, shots=2)


def asked(
    view: CorpusView, library: PromptLibrary, family: str, pairs: np.ndarray = PAIRS
) -> list[Example]:
    users, items = pairs.T
    return PairQuestions(view, library, family, config=WHOLE).pose(users, items)


def test_a_pair_stands_after_everything_its_user_did(view: CorpusView) -> None:
    real = view.corpus.interactions
    for user, item in PAIRS.tolist():
        pair = PairView.of(view, user, item)
        log, row = pair.corpus.interactions, pair.event
        own = slice(user * EACH, (user + 1) * EACH)
        assert (len(log), row) == (EACH + 1, EACH)
        assert (log.users[row], log.items[row], pair.corpus.split.of_event[row]) == (
            user,
            item,
            TEST,
        )
        assert np.isnan(log.ratings[row])
        assert pair.text("summary", row) == ""
        for name in ("users", "items", "times", "ratings"):
            assert getattr(log, name).dtype == getattr(real, name).dtype
            assert np.array_equal(getattr(log, name)[:row], getattr(real, name)[own])
        assert log.texts["summary"][:row].to_pylist() == real.texts["summary"][own].to_pylist()
        assert pair.past(row).tolist() == list(range(EACH))  # no part left out
        assert pair.user_items(user).tolist() == [*real.items[own], item]


def test_what_is_known_at_large_is_what_the_corpus_says(view: CorpusView) -> None:
    pair = PairView.of(view, 4, 3)
    assert (pair.scale, pair.has, pair.mean) == (view.scale, view.has, view.mean)
    assert (pair.attributes, pair.traits) == (view.attributes, view.traits)
    own = np.arange(4 * EACH, 5 * EACH)
    assert np.array_equal(pair.item_ratings(np.arange(EACH)), view.item_ratings(own))
    assert np.array_equal(pair.liked[:EACH], view.liked[own])


def test_a_few_shot_split_hides_its_unused_events_from_targets_but_not_from_pairs() -> None:
    view = make_view()
    parts = view.corpus.split.of_event.copy()
    parts[1:3] = -1
    corpus = replace(view.corpus, split=replace(view.corpus.split, of_event=parts))
    few = CorpusView(corpus, view.names)
    assert few.past(EACH - 1).tolist() == [0, 3, 4, 5, 6]
    pair = PairView.of(few, 0, 1)
    assert pair.past(pair.event).tolist() == list(range(EACH))
    assert (pair.corpus.split.of_event >= TRAIN).all()


def test_the_log_is_not_copied(view: CorpusView, library: PromptLibrary) -> None:
    """What no event of the pair's user holds is not looked at once all is ready."""
    questions = PairQuestions(view, library, "rating", config=PromptsConfig(shots=0))
    log = view.corpus.interactions
    (wanted,) = questions.pose(np.array([4]), np.array([3]))
    others = np.ones(len(log), dtype=bool)
    others[4 * EACH : 5 * EACH] = False
    items, ratings = log.items.copy(), log.ratings.copy()
    log.items[others], log.ratings[others] = -1, np.nan
    try:
        (again,) = questions.pose(np.array([4]), np.array([3]))
        assert again.source == wanted.source
    finally:
        log.items[:], log.ratings[:] = items, ratings


@pytest.mark.parametrize("family", ["rating", "explanation", "sequential-yesno", "review"])
def test_a_question_hangs_on_its_own_pair_alone(
    view: CorpusView, library: PromptLibrary, family: str
) -> None:
    together = asked(view, library, family)
    for row, example in enumerate(together):
        (alone,) = asked(view, library, family, PAIRS[[row]])
        assert (alone.source, alone.prompt_id) == (example.source, example.prompt_id)
    assert together[0].source == together[2].source != together[4].source
    users, items = PAIRS.T
    assert [e.user for e in together] == users.tolist()
    if family != "sequential-yesno":  # which may ask about another item
        assert [e.item for e in together] == items.tolist()


@pytest.mark.parametrize("family", ["rating", "explanation", "review"])
def test_no_wording_tells_what_a_pair_does_not_have(
    view: CorpusView, library: PromptLibrary, family: str
) -> None:
    for example in asked(view, library, family):
        template = library.get(example.prompt_id)
        assert not template.given & TOLD
        assert not template.unseen


def test_the_whole_log_is_shown(view: CorpusView, library: PromptLibrary) -> None:
    """The held-out items of the user are in the question, which is why it is no evaluation."""
    titles = view.corpus.catalog.titles
    for example in asked(view, library, "rating"):
        own = view.user_items(example.user)
        assert all(f'"{titles[item]}"' in example.source for item in own)


def test_an_item_without_attributes_can_be_asked_about(library: PromptLibrary) -> None:
    view = make_view(texts=False)
    table = view.corpus.catalog.table.to_pylist()
    table[3] |= {"genres": [], "year": None}
    catalog = Catalog(view.corpus.catalog.table.from_pylist(table))
    corpus = Corpus(view.corpus.interactions, catalog, view.corpus.users, view.corpus.split)
    (example,) = asked(CorpusView(corpus, view.names), library, "explanation", PAIRS[:1])
    assert "Title-03." in example.source


@pytest.mark.parametrize(
    ("family", "options", "said"),
    [
        ("ratin", {}, "did you mean 'rating'"),
        ("rating", {"ratings": False}, "needs ratings in the training events"),
        ("summary", {}, "summary: expected a wording that asks about any user and item, got none"),
    ],
)
def test_what_cannot_be_asked(
    library: PromptLibrary, family: str, options: dict[str, bool], said: str
) -> None:
    with pytest.raises(UserError, match=said) as caught:
        asked(make_view(**options), library, family)
    assert len(caught.value.lines) == 1
