"""Several logs as one corpus."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from p5rec.core.artefacts import Store
from p5rec.core.errors import UserError
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.prepare import check_files, load_corpus, prepare_data
from p5rec.data.rawlog import RawLog
from p5rec.data.registry import SOURCES


@pytest.fixture
def parts(tmp_path: Path) -> dict[str, dict]:
    (tmp_path / "dated.csv").write_text(
        "user,item,time,rating\n"
        + "".join(f"u{u},{i},{100 * i + u},4\n" for u in range(3) for i in range(4))
    )
    items = [{"item": str(i), "title": f"Film {i}", "genres": ["Drama"]} for i in range(4)]
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, items)) + "\n")
    (tmp_path / "ordered.txt").write_text("u0 3 1 2\nu1 1 2 3\n")
    return {
        "films": {
            "source": "table",
            "path": str(tmp_path / "dated.csv"),
            "items": {
                "path": str(tmp_path / "items.jsonl"),
                "columns": {"attributes": {"genres": "genres"}},
            },
        },
        "books": {"source": "sequences", "path": str(tmp_path / "ordered.txt")},
    }


def read(parts: dict[str, dict]) -> RawLog:
    return SOURCES.get("parts").read(DataConfig(source="parts", parts=parts))


def test_ids_carry_the_name_of_their_part(parts):
    log = read(parts)
    assert len(log.events) == 18
    assert set(log.events["user"]) == {"films/u0", "films/u1", "films/u2", "books/u0", "books/u1"}
    items = {row["item"]: row for row in log.items.to_dicts()}
    assert items["films/3"] == {
        "item": "films/3", "title": "Film 3", "genres": ["Drama"], "domain": "films",
    }  # fmt: skip
    assert items["books/3"] == {
        "item": "books/3", "title": "3", "genres": None, "domain": "books",
    }  # fmt: skip


def test_times_become_positions_if_one_part_has_an_order_alone(parts):
    log = read(parts)
    assert log.ordinal
    assert "rating" not in log.events.columns  # not all parts have ratings
    own = log.events.filter(user="films/u1").sort("item")
    assert own["time"].to_list() == [0, 1, 2, 3]
    dated = read({"films": parts["films"], "more": parts["films"]})
    assert not dated.ordinal
    assert "rating" in dated.events.columns


def test_the_corpus_is_that_of_its_parts(parts, tmp_path):
    config = DataConfig(source="parts", parts=parts)
    check_files(config)
    data = prepare_data(config, Store(tmp_path / "store", lambda _: None, 0))
    assert {"films/events", "films/items", "books/events"} <= data.manifest["inputs"].keys()
    corpus = load_corpus(data.path)
    assert corpus.catalog.ids == build(config)[0].catalog.ids
    assert len(corpus.interactions) == 18


def test_errors_name_their_part(parts, tmp_path):
    broken = {
        "films": {**parts["films"], "path": str(tmp_path / "none.csv")},
        "books": {**parts["books"], "source": "table"},
    }
    with pytest.raises(UserError) as error:
        read(broken)
    films, books = error.value.lines
    assert films.startswith("data.parts.films: ")
    assert books.startswith("data.parts.books: ")


def test_attributes_of_two_types_are_one_line(parts, tmp_path):
    (tmp_path / "books.csv").write_text("item,title,genres\n1,A,Odes\n2,B,Odes\n3,C,Odes\n")
    columns = {"attributes": {"genres": "genres"}}
    table = {"path": str(tmp_path / "books.csv"), "columns": columns}
    with pytest.raises(UserError, match=r"data.parts.books.items: expected genres of the type"):
        read({**parts, "books": {**parts["books"], "items": table}})


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"source": "parts"}, "expected logs for the source parts"),
        ({"source": "table", "parts": {"a": {"source": "table"}}}, "and for no other source"),
        ({"source": "parts", "parts": {"a": {"source": "parts"}}}, "a part cannot have parts"),
    ],
)
def test_parts_belong_to_their_source(config, message):
    with pytest.raises(ValidationError, match=message):
        DataConfig(**config)
