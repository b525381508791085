"""Prompts for user-item pairs: the history they show, and what they may not depend on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_corpora import EACH, make_view

from p5rec.core.errors import UserError
from p5rec.core.examples import Example
from p5rec.core.types import TEST, TRAIN, Catalog, Corpus
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.pairs import INTERACTION_FIELDS, PairPrompts, PairView
from p5rec.prompting.source import PromptsConfig
from p5rec.tasks.view import CorpusView

PAIRS = np.array([[4, 3], [0, 7], [4, 3], [11, 0], [4, 9]], dtype=np.int32)
FULL_HISTORY = PromptsConfig(max_history=50, shots=2)


def prompts_for(
    view: CorpusView, library: PromptLibrary, family: str, pairs: np.ndarray = PAIRS
) -> list[Example]:
    users, items = pairs.T
    return PairPrompts(view, library, family, config=FULL_HISTORY).examples(users, items)


def test_a_pair_comes_after_all_events_of_its_user(view: CorpusView) -> None:
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
        assert pair.past(row).tolist() == list(range(EACH))  # every split is included
        assert pair.user_items(user).tolist() == [*real.items[own], item]


def test_statistics_and_attributes_come_from_the_whole_corpus(view: CorpusView) -> None:
    pair = PairView.of(view, 4, 3)
    assert (pair.scale, pair.has, pair.mean) == (view.scale, view.has, view.mean)
    assert (pair.attributes, pair.traits) == (view.attributes, view.traits)
    own = np.arange(4 * EACH, 5 * EACH)
    assert np.array_equal(pair.item_ratings(np.arange(EACH)), view.item_ratings(own))
    assert np.array_equal(pair.liked[:EACH], view.liked[own])


def test_a_few_shot_split_hides_its_unused_events_from_targets_but_not_from_pairs() -> None:
    view = make_view()
    of_event = view.corpus.split.of_event.copy()
    of_event[1:3] = -1
    corpus = replace(view.corpus, split=replace(view.corpus.split, of_event=of_event))
    few = CorpusView(corpus, view.names)
    assert few.past(EACH - 1).tolist() == [0, 3, 4, 5, 6]
    pair = PairView.of(few, 0, 1)
    assert pair.past(pair.event).tolist() == list(range(EACH))
    assert (pair.corpus.split.of_event >= TRAIN).all()


def test_the_log_is_not_copied(view: CorpusView, library: PromptLibrary) -> None:
    """After construction, a prompt reads the events of the pair's user alone."""
    prompts = PairPrompts(view, library, "rating", config=PromptsConfig(shots=0))
    log = view.corpus.interactions
    (wanted,) = prompts.examples(np.array([4]), np.array([3]))
    others = np.ones(len(log), dtype=bool)
    others[4 * EACH : 5 * EACH] = False
    items, ratings = log.items.copy(), log.ratings.copy()
    log.items[others], log.ratings[others] = -1, np.nan
    try:
        (again,) = prompts.examples(np.array([4]), np.array([3]))
        assert again.source == wanted.source
    finally:
        log.items[:], log.ratings[:] = items, ratings


@pytest.mark.parametrize("family", ["rating", "explanation", "sequential-yesno", "review"])
def test_a_prompt_depends_on_its_own_pair_alone(
    view: CorpusView, library: PromptLibrary, family: str
) -> None:
    together = prompts_for(view, library, family)
    for row, example in enumerate(together):
        (alone,) = prompts_for(view, library, family, PAIRS[[row]])
        assert (alone.source, alone.prompt_id) == (example.source, example.prompt_id)
    assert together[0].source == together[2].source != together[4].source
    users, items = PAIRS.T
    assert [e.user for e in together] == users.tolist()
    if family != "sequential-yesno":  # its prompt may contain another item
        assert [e.item for e in together] == items.tolist()


@pytest.mark.parametrize("family", ["rating", "explanation", "review"])
def test_pair_prompts_use_no_interaction_fields(
    view: CorpusView, library: PromptLibrary, family: str
) -> None:
    for example in prompts_for(view, library, family):
        template = library.get(example.prompt_id)
        assert not template.source_fields & INTERACTION_FIELDS
        assert not template.held_out


def test_the_prompt_has_held_out_items_too(view: CorpusView, library: PromptLibrary) -> None:
    """Pair prompts contain the user's held-out items, so they are no evaluation."""
    titles = view.corpus.catalog.titles
    for example in prompts_for(view, library, "rating"):
        own = view.user_items(example.user)
        assert all(f'"{titles[item]}"' in example.source for item in own)


def test_an_item_without_attributes_gets_a_prompt(library: PromptLibrary) -> None:
    view = make_view(texts=False)
    table = view.corpus.catalog.table.to_pylist()
    table[3] |= {"genres": [], "year": None}
    catalog = Catalog(view.corpus.catalog.table.from_pylist(table))
    corpus = Corpus(view.corpus.interactions, catalog, view.corpus.users, view.corpus.split)
    (example,) = prompts_for(CorpusView(corpus, view.names), library, "explanation", PAIRS[:1])
    assert "Title-03." in example.source


@pytest.mark.parametrize(
    ("family", "options", "message"),
    [
        ("ratin", {}, "did you mean 'rating'"),
        ("rating", {"ratings": False}, "needs ratings in the training events"),
        ("summary", {}, "summary: expected a template for any user and item, got none"),
    ],
)
def test_pairs_without_a_prompt_are_errors(
    library: PromptLibrary, family: str, options: dict[str, bool], message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        prompts_for(make_view(**options), library, family)
    assert len(caught.value.lines) == 1
