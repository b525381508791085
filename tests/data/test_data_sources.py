"""Every format of every source gives the same log, and items as published."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from p5rec.core.errors import UserError
from p5rec.data.build import build
from p5rec.data.config import DataConfig
from p5rec.data.rawlog import RawLog
from p5rec.data.registry import SOURCES

Rows = list[tuple[str, str, float, int]]


def read(**config: object) -> RawLog:
    bound = DataConfig(**config)
    return SOURCES.get(bound.source).read(bound)


def tuples(log: RawLog) -> Rows:
    seconds = log.events.with_columns(pl.col("time") // 1_000_000)
    return seconds.select("user", "item", "rating", "time").rows()


def by_item(log: RawLog) -> dict[str, dict[str, object]]:
    return {row["item"]: row for row in log.items.to_dicts()}


def write(path: Path, text: str, encoding: str = "utf-8") -> None:
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode(encoding)))
    else:
        path.write_bytes(text.encode(encoding))


def test_movielens_100k(events: Rows, tmp_path: Path) -> None:
    write(tmp_path / "u.data", "".join(f"{u}\t{i}\t{r}\t{t}\n" for u, i, r, t in events))
    flags = {"10": [3, 5], "20": [6], "30": [0]}
    titles = {"10": "Toy Story (1995)", "20": "Misérables, Les (1995)", "30": "unknown"}
    lines = [
        "|".join(
            [i, titles[i], "01-Jan-1995", "", "http://x"]
            + [str(int(g in flags[i])) for g in range(19)]
        )
        for i in titles
    ]
    write(tmp_path / "u.item", "\n".join(lines) + "\n", "latin-1")
    log = read(source="movielens", path=str(tmp_path))
    assert tuples(log) == events
    items = by_item(log)
    assert items["10"] == {
        "item": "10", "title": "Toy Story (1995)", "year": 1995, "genres": ["Animation", "Comedy"],
    }  # fmt: skip
    assert items["20"]["title"] == "Misérables, Les (1995)"
    assert items["30"]["genres"] == []
    assert items["30"]["year"] is None
    assert [p.name for p in log.files] == ["u.data", "u.item"]


def test_movielens_1m(events: Rows, tmp_path: Path) -> None:
    write(tmp_path / "ratings.dat", "".join(f"{u}::{i}::{int(r)}::{t}\n" for u, i, r, t in events))
    movies = (
        "10::Toy Story (1995)::Animation|Comedy\n"
        "20::Misérables, Les (1995)::Drama\n"
        '30::Clerks: A "film" (1994)::Comedy\n'
    )
    write(tmp_path / "movies.dat", movies, "latin-1")
    log = read(source="movielens", path=str(tmp_path))
    assert tuples(log) == events
    items = by_item(log)
    assert items["10"]["genres"] == ["Animation", "Comedy"]
    assert items["20"]["title"] == "Misérables, Les (1995)"
    assert items["30"]["title"] == 'Clerks: A "film" (1994)'


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_movielens_latest(events: Rows, tmp_path: Path, packed: str) -> None:
    rows = "".join(f"{u},{i},{r},{t}\n" for u, i, r, t in events)
    write(tmp_path / f"ratings.csv{packed}", "userId,movieId,rating,timestamp\n" + rows)
    movies = (
        "movieId,title,genres\n10,Toy Story (1995),Animation|Comedy\n"
        '20,"Heat, The (2013) ",Crime\n30,X,(no genres listed)\n'
    )
    write(tmp_path / f"movies.csv{packed}", movies)
    log = read(source="movielens", path=str(tmp_path))
    assert tuples(log) == events
    items = by_item(log)
    assert (items["20"]["title"], items["20"]["year"]) == ("Heat, The (2013)", 2013)
    assert items["30"]["genres"] == []


def recbole_folder(events: Rows, folder: Path) -> Path:
    head = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    rows = "".join(f"{u}\t{i}\t{int(r)}\t{t}\n" for u, i, r, t in events)
    write(folder / "ml.inter", head + rows)
    write(
        folder / "ml.item",
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\tvec:float_seq\tscore:float\n"
        "10\tToy Story\t1995\tAnimation Comedy\t0.1 0.2\t3.5\n"
        '20\tThe "Heat\t\tCrime\t0.1 0.2\t1\n30\tunknown (1990)\t1990\t\t0.1 0.2\t\n',
    )
    return folder


@pytest.mark.parametrize("source", ["recbole", "movielens"])
def test_recbole_atomic_files(events: Rows, tmp_path: Path, source: str) -> None:
    log = read(source=source, path=str(recbole_folder(events, tmp_path)))
    assert tuples(log) == events
    items = by_item(log)
    assert items["10"] == {
        "item": "10", "title": "Toy Story (1995)", "year": 1995,
        "genres": ["Animation", "Comedy"], "score": 3.5,
    }  # fmt: skip
    assert items["20"]["title"] == 'The "Heat'
    assert items["30"]["title"] == "unknown (1990)"
    assert not items["30"]["genres"]


AMAZON = {
    "2014": ("reviewerID", "asin", "overall", "unixReviewTime", "reviewText", "summary", 1),
    "2018": ("reviewerID", "asin", "overall", "unixReviewTime", "reviewText", "summary", 1),
    "2023": ("user_id", "parent_asin", "rating", "timestamp", "text", "title", 1000),
}


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("year", AMAZON)
def test_amazon_releases(events: Rows, tmp_path: Path, year: str, packed: str) -> None:
    *names, scale = AMAZON[year]
    records = [
        dict(zip(names, (u, i, r, t * scale, f"text {n}", f"sum {n}"), strict=True))
        for n, (u, i, r, t) in enumerate(events)
    ]
    if year == "2023":  # the metadata use parent_asin as the key, not the variant's asin
        records = [{**record, "asin": "variant"} for record in records]
    write(tmp_path / f"Toys_5.jsonl{packed}", "\n".join(map(json.dumps, records)))
    path = [["Toys", "Board"], ["Toys", "Games"]]
    meta = [
        {"asin": "10", "title": "It's", "brand": "Lego", "categories": path},
        {"asin": "20", "title": "B", "categories": []},
        {"asin": "30"},
    ]
    if year == "2014":
        lines = map(repr, meta)
    elif year == "2018":
        lines = map(json.dumps, [{**m, "category": ["Toys", "Board"]} for m in (*meta, meta[0])])
    else:
        moved = [{**m, "parent_asin": m["asin"], "store": m.get("brand")} for m in meta]
        lines = (
            json.dumps({k: v for k, v in m.items() if k not in ("asin", "brand")}) for m in moved
        )
    write(tmp_path / f"meta_Toys.json{packed}", "\n".join(lines))
    for where in (tmp_path, tmp_path / f"Toys_5.jsonl{packed}"):
        log = read(source="amazon", path=str(where))
        assert tuples(log) == events
        assert log.events["review"].to_list()[:2] == ["text 0", "text 1"]
        assert log.events["summary"].to_list()[:2] == ["sum 0", "sum 1"]
        items = by_item(log)
        assert items["10"]["title"] == "It's"
        assert items["10"]["brand"] == "Lego"
        assert items["10"]["categories"] == ["Toys", "Board", "Games"]
        assert items["30"]["title"] is None


def test_sequences_have_an_order_without_times(tmp_path: Path) -> None:
    write(tmp_path / "s.txt.gz", "a 5 6 7\n\nb 7\t5\nlonely\n")
    log = read(source="sequences", path=str(tmp_path / "s.txt.gz"))
    assert log.ordinal
    assert log.events.select("user", "item", "time", "row").rows() == [
        ("a", "5", 0, 1), ("a", "6", 1, 1), ("a", "7", 2, 1), ("b", "7", 0, 3), ("b", "5", 1, 3),
    ]  # fmt: skip
    write(tmp_path / "twice.txt", "a 5 6\nb 6\na 7\n")
    with pytest.raises(UserError, match=r"twice.txt:3: expected one line per user, got 'a' again"):
        read(source="sequences", path=str(tmp_path / "twice.txt"))


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "tsv", "parquet", "jsonl", "jsonl.gz"])
def test_a_table_in_any_format(events: Rows, tmp_path: Path, suffix: str) -> None:
    frame = pl.DataFrame(events, schema=["who", "what", "stars", "when"], orient="row")
    path = tmp_path / f"log.{suffix}"
    if suffix == "parquet":
        frame.with_columns(pl.from_epoch("when").dt.replace_time_zone("UTC")).write_parquet(path)
    elif "json" in suffix:
        write(path, frame.write_ndjson())
    else:
        write(path, frame.write_csv(separator="\t" if suffix == "tsv" else ","))
    columns = {"user": "who", "item": "what", "rating": "stars", "time": "when"}
    assert tuples(read(source="table", path=str(path), columns=columns)) == events


def test_an_item_table_with_lists(table: Path) -> None:
    attributes = {"genres": {"column": "genre", "separator": "|"}, "year": "year"}
    items = {"path": str(table.with_name("items.csv")), "columns": {"attributes": attributes}}
    log = read(source="table", path=str(table), items=items)
    assert by_item(log)["10"]["genres"] == ["Animation", "Comedy"]
    assert by_item(log)["30"]["title"] == "Clerks, the film"
    assert not by_item(log)["30"]["genres"]
    assert by_item(log)["30"]["year"] == 1994


def test_without_an_item_table_titles_are_ids(table: Path) -> None:
    assert by_item(read(source="table", path=str(table)))["20"]["title"] == "20"


def test_ids_of_float_columns_lose_their_point(tmp_path: Path) -> None:
    frame = pl.DataFrame({"user": [1.0, 2.0], "item": ["a", "b"], "time": [1.5e9, 1.6e9]})
    frame.write_parquet(tmp_path / "log.parquet")
    log = read(source="table", path=str(tmp_path / "log.parquet"))
    assert log.events["user"].to_list() == ["1", "2"]


@pytest.mark.parametrize("name", list(SOURCES))
def test_every_source_refuses_a_missing_file(tmp_path: Path, name: str) -> None:
    if name == "synthetic":
        assert SOURCES.get(name).files(DataConfig(source=name)) == {}
        return
    for path in (None, str(tmp_path / "nowhere.csv")):
        settings = (
            {"parts": {"one": {"source": "table", "path": path}}}
            if name == "parts"
            else {"path": path}
        )
        config = DataConfig(source=name, **settings)
        with pytest.raises(UserError) as caught:
            build(config)
        assert len(caught.value.lines) == 1
