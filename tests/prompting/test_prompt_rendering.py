"""Rendering: golden texts, literal data, chat messages, and targets that parse back."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_corpora import make_view, with_points

from p5rec.core.rng import derive_rng
from p5rec.prompting.library import PromptLibrary
from p5rec.prompting.parse import ParsedItem, ParsedRating, ParsedText, ParsedYesNo, Unparsed, parse
from p5rec.prompting.render import render, to_messages, words
from p5rec.prompting.sample import sample_records
from p5rec.tasks.fields import FIELDS
from p5rec.tasks.item_names import ItemNames
from p5rec.tasks.literal import squeeze
from p5rec.tasks.record_builder import Limits
from p5rec.tasks.registry import TASKS
from p5rec.tasks.view import CorpusView

ROOT = Path(__file__).resolve().parents[2]
RECORD = runpy.run_path(str(ROOT / "scripts" / "record_golden_prompts.py"))
LIBRARY = PromptLibrary.load()
TEMPLATES = [pytest.param(t, id=t.full_id) for t in LIBRARY.templates()]
TITLES = [f"{{title}} {{}} 100% {{0}} {{{{n}}}} \\n {n}" for n in range(40)]
RAW = with_points(make_view(titles=TITLES))


@pytest.mark.parametrize("family", LIBRARY.families())
def test_golden(family: str) -> None:
    golden = ROOT / "tests" / "golden" / "prompts" / f"{family}.txt"
    assert RECORD["renderings"](LIBRARY, family) == golden.read_text(encoding="utf-8")


def test_no_golden_file_without_a_family() -> None:
    files = {path.stem for path in (ROOT / "tests" / "golden" / "prompts").glob("*")}
    assert files == set(LIBRARY.families())


@pytest.mark.parametrize("template", TEMPLATES)
def test_data_stay_literal(template: Any) -> None:
    task = TASKS.get(template.task)
    row = 3 if task.open_ended else int(task.rows(RAW, "train")[3])
    record = task.build(RAW, row, derive_rng(0, "x"), Limits())
    example = render(template, record, [record])
    # without the values, the text holds no brace
    rest = example.source + example.target + example.system
    values = [words(FIELDS[name].kind, record.values[name]) for name in template.fields]
    for value in sorted(values, key=len, reverse=True):
        rest = rest.replace(value, "")
    assert not re.search(r"[{}]", rest), rest
    if {"title", "history_titles", "liked_titles", "options"} & template.fields:
        assert "{title} {} 100% {0} {{n}}" in example.source + example.target


@given(title=st.text(max_size=30), number=st.floats(0, 10).map(lambda x: round(x, 1)))
def test_titles_stay_literal(title: str, number: float) -> None:
    template = LIBRARY.get("rating.average-and-item")
    record = sample_records("rating")[0]
    values = {**record.values, "title": title, "user_mean": number}
    example = render(template, type(record)("rating", values))
    assert f'"{squeeze(title) or "not known"}"' in example.source
    assert f"average of {number:g} " in example.source


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("split_name", ["train", "valid", "test"])
@pytest.mark.system("p5")
def test_targets_parse_back(template: Any, split_name: str, view: CorpusView) -> None:
    task = TASKS.get(template.task)
    for row in task.rows(view, split_name)[:12].tolist():
        record = task.build(view, row, derive_rng(1, row), Limits())
        example = render(template, record)
        parsed = parse(
            template.target_type,
            f" {example.target}\n",
            names=view.names,
            scale=view.scale,
            options=record.candidates,
        )
        match template.target_type:
            case "item" | "options":
                assert parsed == ParsedItem(record.item)
            case "rating":
                assert parsed == ParsedRating(record.rating, clipped=False)
            case "yesno":
                assert parsed == ParsedYesNo(record.values["verdict"] == "yes")
            case "text" | "answer":
                assert parsed == ParsedText(squeeze(example.target))


def test_values_as_words() -> None:
    assert words("number", 4.0) == "4"
    assert words("number", 3.5) == "3.5"
    assert words("items", ("<a><b>", "<c><d>")) == "<a><b>, <c><d>"
    assert words("titles", ("A, B", "C")) == '"A, B", "C"'
    assert words("titles", (("A", "4"),)) == '"A": 4'
    assert words("items_titled", (("<a>", "A\n B"),)) == '<a> "A B"'
    assert words("choices", ("x", "y")) == "- x\n- y"
    assert words("titles", ()) == "nothing yet"
    assert words("text", "") == "not known"


def test_without_worked_examples_the_slot_is_empty() -> None:
    record, *shots = sample_records("rating")
    template = LIBRARY.get("rating.score-sheet")
    bare, two = render(template, record), render(template, record, shots[:2])
    assert bare.source.startswith("SCORE SHEET")
    assert two.source.endswith("\n\n" + bare.source)
    assert two.source.count("SCORE SHEET") == 3
    assert f"Score: {words(FIELDS['rating'].kind, shots[0].values['rating'])}\n\n" in two.source


def test_messages() -> None:
    record = sample_records("rating")[0]
    example = render(LIBRARY.get("rating.ids-only"), record)
    assert [m["role"] for m in to_messages(example)] == ["system", "user"]
    assert to_messages(example, with_target=True)[-1] == {"role": "assistant", "content": "5"}
    plain = render(LIBRARY.get("rating.direct-question"), record)
    assert to_messages(plain) == [{"role": "user", "content": plain.source}]


@pytest.mark.system("p5")
def test_an_example_has_its_user_item_and_event(view: CorpusView) -> None:
    task = TASKS.get("rating")
    event = int(task.rows(view, "test")[2])
    record = task.build(view, event, derive_rng(0), Limits())
    example = render(LIBRARY.get("rating.direct-question"), record)
    log = view.corpus.interactions
    assert (example.user, example.item, example.event) == (2, log.items[event], event)
    assert example.rating == log.ratings[event]
    assert (example.task, example.prompt_id) == ("rating", "rating.direct-question.v1")


NAMES = ItemNames(["<a_1><b_2>", "<a_1><b_3>", "<a_2><b_1>"], ["Heat", "Heat", "{x}"])
SCALE = make_view().scale


@pytest.mark.parametrize(
    ("text", "value", "clipped"),
    [
        ("4", 4.0, False),
        ("4.5 stars", 4.5, False),
        ("Rating: 3.", 3.0, False),
        ("4/5", 4.0, False),
        ("I would say 5 out of 5", 5.0, False),
        ("9", 5.0, True),
        ("-2", 1.0, True),
        ("9" * 400, 5.0, True),
    ],
)
def test_ratings_are_parsed_and_clipped(text: str, value: float, clipped: bool) -> None:
    assert parse("rating", text, scale=SCALE) == ParsedRating(value, clipped)


@pytest.mark.parametrize(
    ("target_type", "text", "reason"),
    [
        ("rating", "good", "no number"),
        ("rating", "3-4", "more than one number"),
        ("rating", "nan", "no number"),
        ("rating", "<a_1><b_2>", "no number"),
        ("yesno", "maybe yes", "neither yes nor no"),
        ("yesno", "nope", "neither yes nor no"),
        ("text", " \n", "empty"),
        ("item", "<a_1>", "no item's id"),
        ("item", "<a_1><b_2><b_3>", "no item's id"),
        ("options", "Heat", "more than one option"),
        ("options", "<a_9>", "none of the options"),
    ],
)
def test_unparsed_text_has_a_reason(target_type: Any, text: str, reason: str) -> None:
    parsed = parse(target_type, text, names=NAMES, scale=SCALE, options=(0, 1))
    assert parsed == Unparsed(text, reason)


def test_items_and_options() -> None:
    assert parse("item", " <a_1> <b_3>\n", names=NAMES) == ParsedItem(1)
    assert parse("options", "{x}", names=NAMES, options=(0, 2)) == ParsedItem(2)
    assert parse("options", "<a_1><b_2> Heat", names=NAMES, options=(0, 1)) == ParsedItem(0)
    assert parse("options", "<a_2><b_1>", names=NAMES, options=(0, 1)) == Unparsed(
        "<a_2><b_1>", "none of the options"
    )
    assert parse("yesno", "Yes.") == ParsedYesNo(True)
