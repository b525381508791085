"""Tools: strict arguments, catalogue search and filter, a calculator, a knowledge file."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from movie_shelf import shelf

from p5rec.core.errors import UserError
from p5rec.data.knowledge import Knowledge, read_facts
from p5rec.recommend.tools.calculator import calculate, calculator
from p5rec.recommend.tools.catalog import CatalogTools
from p5rec.recommend.tools.knowledge import look_up_fact
from p5rec.recommend.tools.tool import Toolbox

TOOLS = Toolbox([*CatalogTools(shelf()).all(), calculator()])


def test_names_and_schemas() -> None:
    assert [*TOOLS] == [
        "search_catalog", "filter_catalog", "lookup_catalog", "get_product", "calculate",
    ]  # fmt: skip
    for tool in TOOLS.values():
        assert tool.schema["type"] == "object"
        assert tool.schema["additionalProperties"] is False
        assert not tool.writes


def test_search_finds_words_of_titles_and_attributes() -> None:
    found = TOOLS.call("search_catalog", {"query": "star wars"})
    assert (found[0]["item"], found[0]["title"]) == ("f0", "Star Wars (1977)")
    westerns = TOOLS.call("search_catalog", {"query": "westerns", "k": 3, "where": "year > 1990"})
    assert len(westerns) == 3
    assert all("Western" in row["genres"] and row["year"] > 1990 for row in westerns)
    assert TOOLS.call("search_catalog", {"query": "zebra"}) == []


def test_filter_and_lookup() -> None:
    rows = TOOLS.call("filter_catalog", {"where": "array_contains(genres, 'War') AND year < 1980"})
    assert rows
    assert all("War" in row["genres"] and row["year"] < 1980 for row in rows)
    both = TOOLS.call("lookup_catalog", {"ids": ["f2", "f1"]})
    assert [row["item"] for row in both] == ["f2", "f1"]
    assert TOOLS.call("get_product", {"id": "f2"}) == [both[0]]


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("search_catalogue", {}, "expected the name of a tool, got 'search_catalogue'; did you"),
        ("search_catalog", {}, "search_catalog: expected a value for 'query', got none"),
        ("search_catalog", {"query": "a", "size": 3}, "size"),
        ("search_catalog", {"query": "a", "k": 0}, "k: "),
        ("search_catalog", {"query": "a", "k": "many"}, "k: "),
        ("get_product", {"id": "f999"}, "expected the id of an item, got 'f999'"),
        ("filter_catalog", {"where": "price < 3"}, "the unknown word 'price'"),
        ("filter_catalog", {"where": "item in (select 1)"}, "unknown word 'select'"),
    ],
)
def test_bad_calls_are_one_line(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as raised:
        TOOLS.call(name, arguments)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("(3 + 4) * 2", 14), ("7 // 2 % 2", 1), ("2 ** 10", 1024), ("-3 + +4", 1),
        ("round(10 / 4, 1)", 2.5), ("max(3, sqrt(16), abs(-2))", 4), (" 1e3 ", 1000),
    ],
)  # fmt: skip
def test_arithmetic(expression: str, value: float) -> None:
    assert TOOLS.call("calculate", {"expression": expression}) == [{"value": value}]


@pytest.mark.parametrize(
    "expression",
    [
        "1 / 0", "9 ** 9 ** 9", "2 ** 1000", "10 ** 13", "__import__('os')", "x", "'a' * 9",
        "(1).real", "[1][0]", "lambda: 1", "1 if 1 else 2", "True", "1; 2", "max()", "sqrt(-1)",
        "(-8) ** 0.5", "abs(x=1)", "1 and 2", "1e400", "round(*[1])", "round(1, -999999999)",
        "round(1, 0.5)", "",
    ],
)  # fmt: skip
def test_all_else_is_refused(expression: str) -> None:
    with pytest.raises(UserError):
        TOOLS.call("calculate", {"expression": expression})


@given(st.text(max_size=40))
def test_no_text_does_harm(expression: str) -> None:
    with suppress(UserError):
        assert isinstance(calculate(expression), float)


def test_a_knowledge_file(tmp_path: Path) -> None:
    path = tmp_path / "facts.csv"
    path.write_text("fact\nThe director of Alien is Ridley Scott.\nBoats float on water.\n")
    tool = look_up_fact(Knowledge(read_facts(path)))
    rows = tool({"query": "Who is the director of Alien?"})
    assert [row["fact"] for row in rows] == ["The director of Alien is Ridley Scott."]
    assert tool({"query": "zebra"}) == []
    path.write_text("text\nA.\n")
    with pytest.raises(UserError, match="expected a column 'fact', got 'text'"):
        read_facts(path)
