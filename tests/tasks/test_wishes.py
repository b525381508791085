"""Wishes as sentences → terms with signs."""

from __future__ import annotations

import numpy as np
import pytest
from movie_shelf import shelf, with_genre

from p5rec.core.errors import UserError
from p5rec.tasks.wishes.parse import parse_wish
from p5rec.tasks.wishes.vocabulary import Vocabulary
from p5rec.tasks.wishes.wish import Wish

CATALOG = shelf()
VOCABULARY = Vocabulary(CATALOG)


def parse(text: str) -> Wish:
    return parse_wish(text, VOCABULARY)


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("comedy", {"Comedy": "more"}),
        ("some funny movies please", {"Comedy": "more"}),
        ("no horror", {"Horror": "no"}),
        ("nothing scary", {"Horror": "no"}),
        ("movies without any horror", {"Horror": "no"}),
        ("I don't feel like a western tonight", {"Western": "no"}),
        ("nothing with war in it, I want comedies", {"War": "no", "Comedy": "more"}),
        ("no horror or thrillers", {"Horror": "no", "Thriller": "no"}),
        ("no horror, thriller or war", {"Horror": "no", "Thriller": "no", "War": "no"}),
        ("less drama", {"Drama": "less"}),
        ("not too romantic", {"Romance": "less"}),
        ("no more westerns", {"Western": "no"}),
        ("more comedy than drama", {"Comedy": "more", "Drama": "less"}),
        ("comedy rather than drama", {"Comedy": "more", "Drama": "less"}),
        ("anything but westerns", {"Western": "no"}),
        ("everything but westerns", {"Western": "no"}),
        ("all except westerns", {"Western": "no"}),
        ("nothing but westerns", {"Western": "only"}),
        ("I only want science fiction", {"Sci-Fi": "only"}),
        ("scifi, but no film noir", {"Sci-Fi": "more", "Film-Noir": "no"}),
        ("cartoons for the children", {"Animation": "more", "Children's": "more"}),
        ("horror and westerns are not for me", {"Horror": "no", "Western": "no"}),
        ("Musicals, no thanks. Comedy!", {"Musical": "no", "Comedy": "more"}),
        ("not a fan of westerns", {"Western": "no"}),
        ("something that isn't scary", {"Horror": "no"}),
        ("as little drama as possible", {"Drama": "less"}),
        ("drama in small doses", {"Drama": "less"}),
        ("I could do without the gore", {"Horror": "no"}),
        ("I don't mind horror, but no musicals", {"Musical": "no"}),
        ("from the 80s", {"year 1980..1989": "more"}),
        ("something of the nineties", {"year 1990..1999": "more"}),
        ("nothing before 1980", {"year ..1979": "no"}),
        ("only films from 1985", {"year 1985": "only"}),
        ("at least 1990", {"year 1990..": "more"}),
        ("after 1990", {"year 1991..": "more"}),
    ],
)
def test_values_and_signs(text: str, signs: dict[str, str]) -> None:
    wish = parse(text)
    assert {value: str(sign) for (_, value), sign in wish.signs.items()} == signs
    assert wish.unknown == ()


def test_a_mood_stands_for_several_values() -> None:
    wish = parse("something lighter, no horror")
    mood, horror = wish.terms
    assert (str(mood.sign), str(horror.sign)) == ("more", "no")
    of = dict(zip(CATALOG.values("genres"), mood.items.tolist(), strict=True))
    assert (of["Comedy",], of["War",], of["Western",]) == (0.5, -0.5, 0)
    assert not mood.strict
    assert horror.strict
    assert str(parse("not too dark").terms[0].sign) == str(parse("nothing dark").terms[0].sign)


def test_comparatives_rank_by_a_number() -> None:
    newer, older = parse("newer").terms[0].items, parse("something older").terms[0].items
    years = np.array(CATALOG.table.column("year"))
    assert np.array_equal(newer, -older)
    assert (np.diff(newer[np.argsort(years, kind="stable")]) >= 0).all()
    assert "'shorter'" in str(parse("comedy, shorter"))  # the catalogue has no lengths


def test_strict_neighbours_describe_one_thing() -> None:
    (term,) = parse("no romantic comedies").terms
    both = with_genre(CATALOG, "Romance") & with_genre(CATALOG, "Comedy")
    assert np.array_equal(term.items > 0, both)


def test_words_of_titles_and_titles() -> None:
    assert np.flatnonzero(parse("no star trek").terms[0].items).tolist() == [1]
    assert parse("comedy at home, film").unknown == ("home",)
    assert parse("Trek, comedy").unknown == ("Trek",)  # the start of a sentence
    assert np.flatnonzero(parse("a Trek comedy").terms[0].items).tolist() == [1]
    assert np.flatnonzero(parse("Alien comedy").terms[0].items).tolist() != [2]  # a synonym
    assert np.flatnonzero(parse("trek").terms[0].items).tolist() == [1]  # nothing else to read
    like = parse("something like Star Wars").terms[0]
    assert like.items[0] == 1  # the film itself; "Wars" is not the genre here
    assert like.items[12] == pytest.approx(1 / 3)  # one genre of three


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("not only comedies", "'not only' read as"),
        ("no horror and comedy", "'comedy' after 'and' read as 'no', too"),
        ("no horror, comedy", "'comedy' after a comma read as wanted"),
        ("more comedy, no comedy", "asked for with two signs: the last one counts"),
    ],
)
def test_ambiguous_wishes_say_so(text: str, note: str) -> None:
    assert note in str(parse(text))


def test_unknown_words_are_named() -> None:
    wish = parse("comedy with submarines")
    assert str(wish) == "wish: more genres Comedy ('comedy'); not understood: 'submarines'"
    with pytest.raises(UserError, match="did you mean comedy"):
        parse("comdy")
    with pytest.raises(UserError, match="got no word with a meaning"):
        parse("please")
    with pytest.raises(UserError, match="at most 1,000 characters"):
        parse("comedy " * 500)


def test_free_words_by_similarity_of_texts() -> None:
    similarity = np.linspace(0, 1, len(CATALOG), dtype=np.float32)
    wish = parse_wish("comedy with submarines", VOCABULARY, lambda words: similarity)
    assert np.array_equal(wish.terms[1].items, similarity)
    assert parse_wish("no submarines", VOCABULARY, lambda words: similarity).terms[0].sign == "less"
