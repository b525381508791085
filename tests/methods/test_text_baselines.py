"""Text baselines by hand, and that nothing held out is read to learn from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from p5rec.core.errors import UserError
from p5rec.core.features import Users
from p5rec.core.rng import id_keys
from p5rec.core.types import TEST, TRAIN, Catalog, Corpus, Interactions, Split
from p5rec.methods.baselines.text_examples import (
    has_written_targets,
    query_examples,
    training_examples,
)
from p5rec.methods.pairs import pair_predictor
from p5rec.methods.registry import METHODS
from p5rec.tasks.reviews import SUMMARY
from p5rec.tasks.view import CorpusView, unnamed_view

# user, item, part, review, summary
ROWS = (
    (0, 0, TRAIN, "It smells of roses all day. I love it.", "Roses"),
    (0, 1, TRAIN, "Too sticky for my dry hair. Never again.", "Five Stars"),
    (0, 2, TEST, "Lovely roses in every bottle. Buy this.", "Small and lovely"),
    (1, 1, TRAIN, "Smells of roses, as I love it to smell.", "Rosy"),
    (1, 2, TRAIN, "Roses again and again in every drop.", "Five Stars"),
    (1, 0, TEST, "Sticky as before, and my dry hair hates it. Sad.", "Sticky"),
    (2, 2, TRAIN, "My dry hair was never so sticky before.", "Hair"),
    (2, 1, TRAIN, "Too sticky for my dry hair. Never again.", "Bah"),
    (2, 3, TEST, "!!! ???", "Nothing"),
    (3, 0, TRAIN, "Quite ordinary stuff from a shop.", "Bah"),
)


def make(rows: tuple[tuple[int, int, int, str, str], ...] = ROWS) -> CorpusView:
    users, items, splits, reviews, summaries = zip(*rows, strict=True)
    log = Interactions(
        users=np.array(users, dtype=np.int32),
        items=np.array(items, dtype=np.int32),
        times=np.arange(len(rows)),
        ratings=None,
        user_keys=id_keys(range(4)),
        item_keys=id_keys(range(4)),
        texts={"review": pa.chunked_array([reviews]), "summary": pa.chunked_array([summaries])},
    )
    names = [f"i{n}" for n in range(4)]
    catalog = Catalog(pa.table({"item": names, "title": names}))
    split = Split("by hand", np.array(splits, dtype=np.int8))
    return unnamed_view(Corpus(log, catalog, Users.of(["a", "b", "c", "d"]), split))


def predicted(name: str, task: str, view: CorpusView) -> list[str]:
    writer = METHODS.get(name)(task=task).fit_examples(training_examples(view, task, 100))
    events = np.flatnonzero(view.corpus.split.mask("test"))
    return writer.write(query_examples(view, task, events, 100))


STICKY, ORDINARY = "Too sticky for my dry hair.", "Quite ordinary stuff from a shop."
DAY, AGAIN = "It smells of roses all day.", "Roses again and again in every drop."


@pytest.mark.parametrize(
    ("name", "task", "expected"),
    [
        # twice each in training: "Bah" comes first by letters
        ("most-frequent", "summary", ["Bah", "Bah", "Bah"]),
        ("most-frequent", "explanation", [STICKY] * 3),
        # item 2 has "Five Stars" and "Hair", once each; item 0 has "Bah" and "Roses"
        ("most-frequent-of-item", "summary", ["Five Stars", "Bah", "Bah"]),
        # item 3 has no training event
        ("most-frequent-of-item", "explanation",
         ["My dry hair was never so sticky before.", DAY, STICKY]),
        ("lead-sentence", "summary",
         ["Lovely roses in every bottle.", "Sticky as before, and my dry hair hates it.", "!!!"]),
        # the first shows roses, the second sticky hair, the third no word
        ("nearest-review", "summary", ["Five Stars", "Hair", "Bah"]),
        # user 0 wrote more of sticky hair, user 1 of roses; of item 3 nobody wrote: of all reviews
        # the nearest is user 2's own
        ("nearest-review", "explanation",
         ["My dry hair was never so sticky before.", DAY,
          "My dry hair was never so sticky before."]),
    ],
)  # fmt: skip
def test_predictions_by_hand(name: str, task: str, expected: list[str]) -> None:
    assert predicted(name, task, make()) == expected


def test_full_reviews_are_copied_for_the_task_review() -> None:
    assert predicted("nearest-review", "review", make())[1] == ROWS[0][3]


@pytest.mark.parametrize("name", SUMMARY.references)
@pytest.mark.parametrize("task", ["summary", "explanation", "review"])
def test_held_out_texts_are_not_training_data(name: str, task: str) -> None:
    """Other test reviews and summaries change no prediction, unless the prompt has the review."""
    view, other = make(), make(tuple(
        (u, i, p, "Green tea and nothing else here.", "Tea") if p == TEST else (u, i, p, r, s)
        for u, i, p, r, s in ROWS
    ))  # fmt: skip
    train = view.corpus.split.mask("train")
    if METHODS.get(name).needs_review and task != "summary":
        return
    known = training_examples(view, task, 100)
    assert known.has_review == (task == "summary")
    writer = METHODS.get(name)(task=task).fit_examples(known)
    read = writer.lineage.events
    seen = writer.lineage.contains(view.corpus.interactions.event_keys)
    assert np.array_equal(seen, train) or (name == "lead-sentence" and not len(read))
    same = training_examples(other, task, 100)
    assert (known.texts, known.targets) == (same.texts, same.targets)
    if task != "summary":
        assert predicted(name, task, view) == predicted(name, task, other)
    # predictions do not depend on other queries
    events = np.flatnonzero(view.corpus.split.mask("test"))
    alone = [writer.write(query_examples(view, task, events[n : n + 1], 100))[0] for n in range(3)]
    assert alone == predicted(name, task, view)


@pytest.mark.parametrize("name", SUMMARY.references)
def test_predictions_survive_saving(name: str, tmp_path: Path) -> None:
    view, method = make(), METHODS.get(name)(task="summary")
    method.fit(view.corpus, tmp_path, seed=0, inputs={})
    events = np.flatnonzero(view.corpus.split.mask("test"))
    loaded = method.load(tmp_path).write(query_examples(view, "summary", events, 100))
    assert loaded == predicted(name, "summary", view)


def test_validation_reviews_are_not_part_of_a_history() -> None:
    view = make()
    splits = view.corpus.split.of_event.copy()
    splits[0] = 1
    later = unnamed_view(replace(view.corpus, split=replace(view.corpus.split, of_event=splits)))
    queries = query_examples(later, "explanation", np.array([2]), 100)
    assert list(queries.texts) == [ROWS[1][3]]
    assert not queries.targets


def test_reviews_without_a_word_and_tasks_without_reviews() -> None:
    view = make(tuple((u, i, p, "...", s) for u, i, p, _, s in ROWS))
    assert predicted("nearest-review", "summary", view) == ["Five Stars", "Bah", "Bah"]
    assert has_written_targets(view, "summary")
    assert not has_written_targets(view, "rating")
    assert not has_written_targets(view, "item-id-to-text")
    log = replace(view.corpus.interactions, texts={})
    assert not has_written_targets(
        unnamed_view(replace(view.corpus, interactions=log)), "explanation"
    )


def test_pairs_without_an_event_are_explained(tmp_path: Path) -> None:
    """By a text about the item, or by that of the most similar user."""
    corpus = make().corpus
    users, items = np.array([3, 0]), np.array([2, 1])
    texts = {}
    for name in ("most-frequent", "nearest-review"):
        method = METHODS.get(name)(task="explanation")
        method.fit(corpus, tmp_path, seed=0, inputs={})
        texts[name] = pair_predictor(method, method.load(tmp_path), corpus, "explanations")(
            users, items
        )
    assert texts["most-frequent"] == [STICKY, STICKY]
    assert texts["nearest-review"][1] in {STICKY, "Smells of roses, as I love it to smell."}
    summaries = METHODS.get("most-frequent")(task="summary")
    with pytest.raises(UserError, match="predicts explanations, got a most-frequent"):
        pair_predictor(summaries, summaries.load(tmp_path), corpus, "explanations")
