"""Questions about any user and item: whose past they show, and what they may not hang on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from small_corpora import EACH, make_view

from p5rec.core.errors import UserError
from p5rec.core.types import Catalog, Corpus, Example
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.pairs import TOLD, pose_pairs, with_pairs
from p5rec.prompting.source import PromptsConfig
from p5rec.prompting.view import CorpusView

PAIRS = np.array([[4, 3], [0, 7], [4, 3], [11, 0], [4, 9]], dtype=np.int32)
WHOLE = PromptsConfig(max_history=50, shots=2)


def asked(
    view: CorpusView, library: PromptLibrary, family: str, pairs: np.ndarray = PAIRS
) -> list[Example]:
    users, items = pairs.T
    return pose_pairs(view.corpus, view.names, library, family, users, items, config=WHOLE)


def test_pairs_stand_after_everything_their_users_did(view: CorpusView) -> None:
    corpus = view.corpus
    longer, rows = with_pairs(corpus, *PAIRS.T)
    log, real = longer.interactions, corpus.interactions
    assert len(log) == len(real) + len(PAIRS)
    assert np.array_equal(np.stack([log.users[rows], log.items[rows]], axis=1), PAIRS)
    assert (np.diff(log.users) >= 0).all()
    assert np.isnan(log.ratings[rows]).all()
    others = np.delete(np.arange(len(log)), rows)
    for name in ("users", "items", "times", "ratings"):
        assert np.array_equal(getattr(log, name)[others], getattr(real, name))
    assert log.texts["summary"].take(others).to_pylist() == real.texts["summary"].to_pylist()
    whole = CorpusView(longer, view.names)
    for row, user in zip(rows, PAIRS[:, 0], strict=True):
        own = real.offsets[user] + np.arange(EACH)
        assert np.array_equal(others[own], whole.past(row))  # no other pair, no part left out


def test_events_that_train_stay_as_they_are(view: CorpusView) -> None:
    longer = CorpusView(with_pairs(view.corpus, *PAIRS.T)[0], view.names)
    assert (longer.scale, longer.has) == (view.scale, view.has)
    assert longer.mean == pytest.approx(view.mean)
    assert longer.corpus.split.mask("train").sum() == view.corpus.split.mask("train").sum()


def test_a_few_shot_split_hides_its_unused_events_from_targets_but_not_from_pairs() -> None:
    view = make_view()
    parts = view.corpus.split.parts.copy()
    parts[1:3] = -1
    corpus = replace(view.corpus, split=replace(view.corpus.split, parts=parts))
    assert CorpusView(corpus, view.names).past(EACH - 1).tolist() == [0, 3, 4, 5, 6]
    longer, (row,) = with_pairs(corpus, np.array([0]), np.array([1]))
    assert CorpusView(longer, view.names).past(row).tolist() == list(range(EACH))


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
    corpus = Corpus(view.corpus.interactions, catalog, view.corpus.user_ids, view.corpus.split)
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
