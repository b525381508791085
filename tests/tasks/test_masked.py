"""Masked items, masked words and pairs: what their prompts show and hide."""

from __future__ import annotations

import numpy as np
import pytest
from small_corpora import EACH, make_view

from p5rec.core.types import TRAIN
from p5rec.tasks.fields import MASK, Record
from p5rec.tasks.masked_items import around
from p5rec.tasks.masked_words import item_words
from p5rec.tasks.record_builder import Limits
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView

FEW = Limits(max_history=4)


@pytest.fixture(scope="module")
def view() -> CorpusView:
    return make_view()


def records(view: CorpusView, name: str, split_name: str = "train") -> list[Record]:
    task = TASKS.get(name)
    rows = task.rows(view, split_name).tolist()
    return [task.build(view, row, np.random.default_rng(row), FEW) for row in rows]


def items_of(view: CorpusView, names: tuple[str, ...]) -> list[int | None]:
    return [view.names.row(name) for name in names if name != MASK]


@pytest.mark.system("recknowledge")
def test_training_windows_hold_training_events_of_both_sides(view: CorpusView) -> None:
    log, of_event, shapes = view.corpus.interactions, view.corpus.split.of_event, set()
    for event in TASKS.get("masked-items").rows(view, "train").tolist():
        for seed in range(5):
            before, after = around(view, event, 4, np.random.default_rng(seed))
            rows = np.concatenate([before, after])
            assert (of_event[rows] == TRAIN).all()
            assert (log.users[rows] == log.users[event]).all()
            assert len(rows) == 4
            whole = np.insert(rows, len(before), event)
            assert (np.diff(whole) == 1).all()  # no gap
            shapes.add(len(after))
    assert shapes == {0, 1, 2, 3, 4}


@pytest.mark.system("recknowledge")
def test_held_out_windows_end_at_the_event(view: CorpusView) -> None:
    for split_name in ("valid", "test"):
        for event in TASKS.get("masked-items").rows(view, split_name).tolist():
            before, after = around(view, event, 4, np.random.default_rng(0))
            assert not len(after)
            assert before.tolist() == view.past(event)[-4:].tolist()


@pytest.mark.system("recknowledge")
def test_a_masked_item_is_hidden_everywhere() -> None:
    view = make_view()
    view.corpus.interactions.items[3] = view.corpus.interactions.items[1]  # chosen twice
    for split_name in ("train", "valid", "test"):
        for record in records(view, "masked-items", split_name):
            shown = record.values["masked"]
            assert isinstance(shown, tuple)
            assert shown.count(MASK) == record.values["masked_titles"].count(MASK) == 1
            assert record.item not in items_of(view, shown)
            assert record.values["target"] == view.names.ids[record.item]
            assert record.mentions == {record.item, *items_of(view, shown)}


@pytest.mark.system("recknowledge")
def test_masked_words_restore_the_text(view: CorpusView) -> None:
    task = TASKS.get("masked-words")
    for item in task.rows(view, "train").tolist():
        text = item_words(view, item, Limits())[0]
        assert text == f"{view.names.titles[item]}; {view.attribute_text(item)}"
        hidden = set()
        for seed in range(8):
            record = task.build(view, item, np.random.default_rng(seed), Limits())
            masked, target = str(record.values["masked_text"]), str(record.values["masked_words"])
            restored = masked
            for span in target.split("; "):
                assert restored != (restored := restored.replace(MASK, span, 1))
            assert restored == text
            assert "genres" in masked  # the name of an attribute
            hidden.add(target)
        assert len(hidden) > 1


def test_a_long_text_has_several_masks_within_its_limit() -> None:
    view = make_view(titles=[" ".join(f"w{n}{i}" for i in range(60)) for n in range(40)])
    task = TASKS.get("masked-words")
    for words, masks in ((100, 5), (20, 2), (1, 1)):
        limits = Limits(max_words=words)
        record = task.build(view, 7, np.random.default_rng(0), limits)
        assert str(record.values["masked_text"]).count(MASK) == masks
        assert len(item_words(view, 7, limits)[0].split()) <= max(words, 2)


def test_items_of_one_word_have_no_masked_words() -> None:
    view = make_view(attributes=False)
    assert "no item fits" in str(TASKS.get("masked-words").unavailable(view))


@pytest.mark.system("recknowledge")
def test_a_pair_is_an_item_of_the_user_and_one_never_met(view: CorpusView) -> None:
    first = []
    for split_name in ("train", "valid", "test"):
        for record in records(view, "preference", split_name):
            (other,) = set(record.candidates) - {record.item}
            assert other not in view.user_items(record.user)
            others = record.values["others"]
            assert isinstance(others, tuple)
            assert record.item not in items_of(view, others)
            window = slice(*view.corpus.interactions.offsets[record.user : record.user + 2])
            of_event = view.corpus.split.of_event[window]
            known = view.corpus.interactions.items[window]
            late = known[of_event >= view.corpus.split.of_event[record.event]]
            if split_name != "train":
                assert not set(items_of(view, others)) & set(late.tolist())
            first.append(record.candidates[0] == record.item)
    assert 0.3 < np.mean(first) < 0.7


@pytest.mark.system("recknowledge")
def test_prompts_depend_on_their_event_and_seed_alone(view: CorpusView) -> None:
    for name in ("masked-items", "preference"):
        task = TASKS.get(name)
        both = [
            task.build(view, 2 * EACH + 3, np.random.default_rng(seed), FEW) for seed in (1, 1, 2)
        ]
        assert both[0] == both[1]
        assert both[0] != both[2]
