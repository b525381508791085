"""Profiles: facts from events, what people write, and how both move lists."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from movie_shelf import InOrder, requests, shelf, with_genre

from p5rec.core.errors import UserError
from p5rec.core.features import Users
from p5rec.core.rng import id_keys
from p5rec.core.types import TRAIN, Corpus, Interactions, Split
from p5rec.recommend.people.edits import EditStore
from p5rec.recommend.people.feedback import FeedbackStore
from p5rec.recommend.people.folder import people_folder
from p5rec.recommend.people.profile import ProfileBook, preferred
from p5rec.recommend.steering.wished import Wished
from p5rec.tasks.wishes.parse import parse_wish
from p5rec.tasks.wishes.vocabulary import Vocabulary
from p5rec.tasks.wishes.wish import Term

N, USERS, EACH, K = 120, 6, 12, 10
CATALOG = shelf(N)
VOCABULARY = Vocabulary(CATALOG)
COMEDY, HORROR = with_genre(CATALOG, "Comedy"), with_genre(CATALOG, "Horror")


def corpus() -> Corpus:
    """User 0 chooses comedies and rates them low; the others choose at random."""
    rng = np.random.default_rng(0)
    items = np.stack([rng.permutation(N)[:EACH] for _ in range(USERS)]).astype(np.int32)
    items[0] = [*rng.permutation(np.flatnonzero(COMEDY))[:9], *np.flatnonzero(HORROR)[:3]]
    ratings = rng.integers(2, 5, items.shape).astype(np.float32)
    ratings[0] = [1, 2, 1, 2, 1, 2, 1, 2, 1, 5, 4, 5]
    log = Interactions(
        users=np.repeat(np.arange(USERS, dtype=np.int32), EACH),
        items=items.ravel(),
        times=np.tile(np.arange(EACH, dtype=np.int64), USERS),
        ratings=ratings.ravel(),
        user_keys=id_keys(f"u{n}" for n in range(USERS)),
        item_keys=id_keys(CATALOG.ids),
    )
    users = Users(pa.table({"user": [f"u{n}" for n in range(USERS)]}))
    return Corpus(log, CATALOG, users, Split("all", np.full(len(log), TRAIN, np.int8), seed=0))


@pytest.fixture
def book(tmp_path: Path) -> ProfileBook:
    return ProfileBook(corpus(), VOCABULARY, EditStore(tmp_path / "run.people"))


def terms(text: str) -> tuple[Term, ...]:
    return parse_wish(text, VOCABULARY).terms


def test_facts_name_their_events(book: ProfileBook) -> None:
    facts = {fact.id: fact for fact in book.of(0)}
    chosen, rated = facts["genres:Comedy"], facts["genres:Comedy:rated"]
    log = book.corpus.interactions
    assert (log.users[chosen.events] == 0).all()
    assert COMEDY[log.items[chosen.events]].all()
    n = int(COMEDY[log.items[:EACH]].sum())
    assert chosen.text.startswith(f"often chooses genres Comedy: {n} of 12 items; ")
    assert "rates genres Comedy low: 1." in rated.text
    assert str(rated.terms[0].sign) == "less"
    assert log.ratings is not None
    assert log.ratings[rated.events].max() <= 2


def test_every_fact_is_true_of_its_events(book: ProfileBook) -> None:
    log = book.corpus.interactions
    for user in range(USERS):
        for fact in book.of(user):
            (term,) = fact.terms
            assert (log.users[fact.events] == user).all()
            assert (term.items[log.items[fact.events]] > 0).all()
            own = np.flatnonzero((log.users == user) & (term.items[log.items] > 0))
            assert np.array_equal(fact.events, own)


def test_people_write_edit_and_delete(book: ProfileBook) -> None:
    book.add(0, "no horror")
    first, wish = book.edit(0, "genres:Comedy", "more comedy")
    assert (first, str(wish)) == ("p2", "wish: more genres Comedy ('comedy')")
    book.delete(0, "genres:Comedy:rated")
    shown = [fact.id for fact in book.of(0)]
    assert shown[:2] == ["p2", "p1"]
    assert not {"genres:Comedy", "genres:Comedy:rated"} & {*shown}
    book.delete(0, "p1")
    assert book.edit(0, "p2", "less comedy")[0] == "p3"  # ids are not used again
    again = ProfileBook(book.corpus, VOCABULARY, EditStore(book.edits.folder))
    assert [fact.text for fact in again.written("u0")] == ["less comedy"]
    assert again.written("u1") == []
    with pytest.raises(UserError, match="expected the id of a fact of this profile, got 'p9'"):
        book.delete(0, "p9")
    with pytest.raises(UserError, match="expected words for values"):
        book.add(0, "blurb")


def test_facts_are_found_by_similarity(book: ProfileBook) -> None:
    book.add(0, "no film noir")
    book.add(0, "more westerns")
    assert book.find(0, "how about something noir?", 1)[0].text == "no film noir"
    assert book.find(0, "I am in the mood for a western", 1)[0].text == "more westerns"
    assert book.find(0, "funny", 2)[0].id.startswith("genres:Comedy")
    assert book.find(0, "zebra", 3) == []


def ranks(profile: tuple[Term, ...]) -> np.ndarray:
    """``(B, N)``: the rank of each item in complete lists; N where it is left out."""
    own = Wished(InOrder(N), each=[profile] * 4)
    lists = own.recommend(requests(4), N, exclude_seen=False).items
    out = np.full((4, N), N)
    request, position = np.nonzero(lists >= 0)
    out[request, lists[request, position]] = position
    return out


@pytest.mark.parametrize("before", ["", "less drama", "romance", "lighter. no war"])
def test_an_edit_moves_matching_items_up(before: str) -> None:
    old = terms(before) if before else ()
    less, more = ranks(old), ranks((*old, *terms("more comedy")))
    listed = (less < N) & COMEDY
    assert (more[listed] <= less[listed]).all()
    assert (more[listed] < less[listed]).any()


@pytest.mark.parametrize(
    ("profile", "wish", "remains"),
    [
        ("no horror", "horror", ""),
        ("more comedy", "no comedy", ""),
        ("only comedy", "horror", ""),
        ("no 1980", "from 1980", ""),
        ("no horror", "comedy", "no genres Horror"),
        ("less drama", "horror", "less genres Drama"),
    ],
)
def test_the_present_wish_overrides_the_profile(profile: str, wish: str, remains: str) -> None:
    both = preferred(terms(profile), terms(wish))
    kept = [f"{term.sign} {term.meaning}" for term in both[: -len(terms(wish))]]
    assert kept == [name for name in [remains] if name]


def test_each_request_has_its_own_profile() -> None:
    own = Wished(InOrder(N), each=[terms("no horror"), (), terms("only comedy"), terms("comedy")])
    lists = own.recommend(requests(4), K)
    plain = InOrder(N).recommend(requests(4), K)
    assert not HORROR[lists.items[0]].any()
    assert np.array_equal(lists.items[1], plain.items[1])
    assert COMEDY[lists.items[2]].all()
    frame = own.frame(replace(lists, users=np.arange(4)), CATALOG, ["a", "b", "c", "d"])
    assert frame.filter(frame["user"] == "b")["wish"].to_list() == [""] * K
    assert set(frame.filter(frame["user"] == "c")["wish"]) == {"only genres Comedy"}


def test_forgetting_deletes_what_people_told(tmp_path: Path) -> None:
    edits, feedback = EditStore(tmp_path), FeedbackStore(tmp_path)
    assert feedback.forget(np.zeros((0, 2), np.uint64)) == 0
    for user in ("ann", "bob"):
        edits.add(user, "no horror")
        feedback.append(user, "f1", 1_700_000_000, 4.5)
        feedback.append(user, "f2,\n", 1_700_000_001, None)
    (ann, bob), (one,) = id_keys(["ann", "bob"]), id_keys(["f1"])
    assert edits.forget(np.array([ann])) == 1
    assert feedback.forget(np.array([[ann, 0], [bob, one]], dtype=np.uint64)) == 3
    assert feedback.read().rows() == [("bob", "f2,\n", 1_700_000_001, None)]
    assert [own.text for own in edits.read("bob").written] == ["no horror"]
    assert edits.read("ann").written == ()
    assert not [path for path in tmp_path.rglob("*") if b"ann" in path.name.encode()]


def test_a_torn_line_of_feedback_is_dropped(tmp_path: Path) -> None:
    feedback = FeedbackStore(tmp_path)
    feedback.append("ann", "f1", 1, None)
    with open(feedback.path, "a") as handle:
        handle.write("bob,f2")  # a kill in the middle of a line
    assert len(feedback.read()) == 1
    feedback.append("cid", "f3", 2, 1.0)
    assert feedback.read()["user"].to_list() == ["ann", "cid"]


def test_models_of_a_run_share_its_folder(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "my"
    (run / "models" / "ease").mkdir(parents=True)
    (run / "config.yaml").write_text("")
    assert (
        people_folder(run) == people_folder(run / "models" / "ease") == tmp_path / "runs/my.people"
    )
    assert people_folder(tmp_path / "saved") == tmp_path / "saved.people"
