"""Import and export of codes: all layouts, round trips, and errors for anything else."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from p5rec.core.errors import UserError
from p5rec.core.item_codes import ItemCodes
from p5rec.core.rng import by_key, id_keys
from p5rec.ids.collisions import extra_level
from p5rec.ids.exchange import DEEPEST, Imported, export_codes, import_codes
from p5rec.ids.plain import Words
from p5rec.ids.prefixes import sharing
from p5rec.ids.quantiser import Coded

IDS = ["x", "y", "z"]


def as_json(folder: Path, content: Any) -> Path:
    path = folder / "codes.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def as_lines(folder: Path, content: Mapping[str, Any]) -> Path:
    path = folder / "codes.jsonl"
    rows = (json.dumps({"item": item, "codes": value}) for item, value in content.items())
    path.write_text("\n".join(rows))
    return path


def read(path: Path, ids: list[str] | None = None, **more: Any) -> Imported:
    return import_codes(path, ids or IDS, **more)


def refused(path: Path, ids: list[str] | None = None, **more: Any) -> str:
    """The message of the error: one line that names the file."""
    with pytest.raises(UserError) as caught:
        read(path, ids, **more)
    (line,) = caught.value.lines
    assert line.startswith(str(path))
    assert "expected " in line
    assert "; " in line
    assert len(line) < len(str(path)) + 300
    return line.removeprefix(str(path))


def compact(codes: np.ndarray) -> np.ndarray:
    return np.stack([np.unique(column, return_inverse=True)[1] for column in codes.T], axis=1)


tuples = st.integers(1, 4).flatmap(
    lambda levels: st.lists(
        st.tuples(*[st.integers(0, 9)] * levels), min_size=1, max_size=12, unique=True
    )
)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5)


@pytest.mark.parametrize("ending", ["json", "parquet"])
@settings(deadline=None, max_examples=40)
@given(rows=tuples, data=st.data())
@example(rows=[(0,)], data=None)
def test_round_trip(ending: str, rows: list[Any], data: Any, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("out") / f"codes.{ending}"
    sized = st.lists(names, min_size=len(rows), max_size=len(rows), unique=True)
    ids = data.draw(sized) if data else IDS[: len(rows)]
    codes = np.array(rows, dtype=np.int32)
    export_codes(ItemCodes(codes, (10,) * codes.shape[1], "any"), ids, path)
    first = import_codes(path, ids)
    assert (first.shared, first.ignored, first.codes.scheme) == (0, 0, "imported")
    assert first.kind == {"json": "level words", "parquet": "integers"}[ending]
    np.testing.assert_array_equal(first.codes.codes, compact(codes))
    export_codes(first.codes, ids, path)
    again = import_codes(path, ids).codes  # every code is in use now
    np.testing.assert_array_equal(again.codes, first.codes.codes)
    assert again.sizes == first.codes.sizes == tuple(len(set(column)) for column in codes.T)
    assert again.codes.dtype == np.int32


def test_json_is_the_layout_of_the_published_files(tmp_path: Path) -> None:
    codes = ItemCodes(np.array([[12, 3], [0, 7]], dtype=np.int32), (13, 8), "any")
    export_codes(codes, ['say "é"', "2"], tmp_path / "deep" / "index.json")
    text = (tmp_path / "deep" / "index.json").read_text(encoding="utf-8")
    assert json.loads(text) == {'say "é"': ["<a_12>", "<b_3>"], "2": ["<a_0>", "<b_7>"]}
    assert text.count("\n") == 4  # one item per line
    assert "é" in text


def test_parquet_is_a_table_of_integers(tmp_path: Path) -> None:
    codes = ItemCodes(np.array([[12, 3], [0, 7]], dtype=np.int32), (13, 8), "any")
    export_codes(codes, ["x", "y"], tmp_path / "codes.parquet")
    table = pl.read_parquet(tmp_path / "codes.parquet")
    assert table.schema == {"item": pl.String, "codes": pl.List(pl.Int32)}
    assert table.rows() == [("x", [12, 3]), ("y", [0, 7])]


def test_other_endings_and_unwritable_paths_are_errors(tmp_path: Path) -> None:
    codes = ItemCodes(np.zeros((1, 1), dtype=np.int32), (1,), "any")
    with pytest.raises(UserError, match=r"ends in .json or .parquet, got .csv; rename"):
        export_codes(codes, ["x"], tmp_path / "codes.csv")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="expected to write there"):
        export_codes(codes, ["x"], tmp_path / "file" / "codes.json")
    (tmp_path / "codes.txt").touch()
    assert "expected one of .csv" in refused(tmp_path / "codes.txt")
    assert "got nothing there" in refused(tmp_path / "absent.json")


SAME = {
    "words": [["<a_5>", "<b_300>"], ["<a_9>", "<b_256>"], ["<a_5>", "<b_511>"]],
    "other letters": [["<Q_5>", "<zz_300>"], ["<Q_9>", "<zz_256>"], ["<Q_5>", "<zz_511>"]],
    "run": ["<a_5><b_300>", "<a_9><b_256>", "<a_5><b_511>"],
    "spaced run": ["<a_5> <b_300>", "<a_9>, <b_256>", " <a_5><b_511> "],
    "integers": [[5, 300], [9, 256], [5, 511]],
    "digits": [["5", "300"], ["9", "256"], ["5", "511"]],
    "spaces": ["5 300", "9 256", "5  511 "],
    "commas": ["5,300", "9,256", "5, 511"],
    "both": [[5, "300"], "9 256", [5, 511]],
}


@pytest.mark.parametrize("values", SAME.values(), ids=SAME)
def test_all_spellings_give_equal_codes(values: list[Any], tmp_path: Path) -> None:
    content = dict(zip(IDS, values, strict=True))
    paths = [as_json(tmp_path, content), as_lines(tmp_path, content)]
    packed = tmp_path / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(b"\n" + paths[1].read_bytes() + b"\n\n"))
    packed_json = tmp_path / "packed.json.gz"
    packed_json.write_bytes(gzip.compress(paths[0].read_bytes()))
    paths += [packed, packed_json]
    if len({type(value) for value in values}) == 1:
        table = pl.DataFrame({"item": IDS, "codes": values})
        table.write_parquet(tmp_path / "codes.parquet")
        paths.append(tmp_path / "codes.parquet")
        if isinstance(values[0], str):
            table.write_csv(tmp_path / "codes.csv")
            paths.append(tmp_path / "codes.csv")
    for path in paths:
        codes = read(path).codes
        assert codes.codes.tolist() == [[0, 1], [1, 0], [0, 2]], path  # 256 becomes 0
        assert codes.sizes == (2, 3)


def test_columns_may_have_any_name_and_ids_may_be_numbers(tmp_path: Path) -> None:
    frame = pl.DataFrame({"asin": [7, 8], "sid": [[1, 2], [2, 1]], "codes": ["no", "no"]})
    for ending in ("parquet", "jsonl"):
        path = tmp_path / f"t.{ending}"
        getattr(frame, {"jsonl": "write_ndjson"}.get(ending, "write_parquet"))(path)
        imported = read(path, ["8", "7"], column="sid", item="asin")
        assert imported.codes.codes.tolist() == [[1, 0], [0, 1]]
        assert "a column 'sidd', got none; did you mean 'sid'?" in refused(
            path, ["8", "7"], column="sidd", item="asin"
        )
        assert "a column 'item'" in refused(path, ["8", "7"], column="sid")


def test_item_table_order_is_kept_and_other_items_are_ignored(tmp_path: Path) -> None:
    content = {"w": [9, 9], "z": [2, 0], "x": [0, 0], "bad": "a word", "y": [1, 1], "worse": None}
    imported = read(as_json(tmp_path, content))
    assert imported.codes.codes.tolist() == [[0, 0], [1, 1], [2, 0]]
    assert imported.codes.sizes == (3, 2)  # no item of the table has code 9
    assert (imported.ignored, imported.shared) == (3, 0)


def test_words_are_codes_of_their_levels(tmp_path: Path) -> None:
    content = {"x": "hair straightener ceramic", "y": "Éclair", "z": "hair dryer", "v": "10 20"}
    imported = read(as_json(tmp_path, content), [*IDS, "v"])
    # 10 < hair < Éclair, then none < 20 < dryer < straightener, then none < ceramic
    assert imported.codes.codes.tolist() == [[1, 3, 1], [2, 0, 0], [1, 2, 0], [0, 1, 0]]
    assert (imported.codes.sizes, imported.kind) == ((3, 4, 2), "words")


def test_an_element_of_a_list_is_one_word(tmp_path: Path) -> None:
    content = {"x": ["▁red", "two words"], "y": ["▁red", "04"], "z": ["72", "04"]}
    imported = read(as_json(tmp_path, content))
    assert imported.codes.codes.tolist() == [[1, 1], [1, 0], [0, 0]]


def test_an_id_without_words_is_padded(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text('item,codes\nx,red shampoo\ny,\nz,""\n')
    imported = read(path)
    assert imported.codes.codes.tolist()[0] == [1, 1, 0]
    assert sorted(imported.codes.codes.tolist()[1:]) == [[0, 0, 0], [0, 0, 1]]
    assert imported.shared == 2


@settings(deadline=None, max_examples=30)
@given(
    rows=st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=3), min_size=2, max_size=9),
    shuffle=st.randoms(use_true_random=False),
)
def test_file_order_does_not_matter(
    rows: list[list[str]], shuffle: Any, tmp_path_factory: Any
) -> None:
    ids = [f"i{n}" for n in range(len(rows))]
    entries = list(zip(ids, rows, strict=True))
    folder = tmp_path_factory.mktemp("in")
    first = import_codes(as_json(folder, dict(entries)), ids)
    shuffle.shuffle(entries)
    again = import_codes(as_json(folder, dict(entries)), ids)
    np.testing.assert_array_equal(again.codes.codes, first.codes.codes)
    assert sharing(first.codes.codes) == 0


def test_equal_codes_are_numbered_like_extra_level(tmp_path: Path) -> None:
    ids = [str(n) for n in range(40)]
    rows = np.array([[n % 3, n % 2] for n in range(38)] + [[3, 0], [3, 1]], dtype=np.int32)
    path = as_json(tmp_path, dict(zip(ids, rows.tolist(), strict=True)))
    imported = import_codes(path, ids, seed=5)
    no_vectors = np.zeros((40, 0))
    order = by_key(id_keys(ids), 5, "ids", "collisions")
    wanted = extra_level(Coded(rows, Words((4, 2)), no_vectors, no_vectors), order)
    np.testing.assert_array_equal(imported.codes.codes, wanted.codes)
    assert imported.codes.sizes == wanted.sizes == (4, 2, 7)
    assert (imported.shared, imported.codes.tied) == (38, False)
    assert sharing(imported.codes.codes) == 0
    numbers = imported.codes.codes[:38:6, 2].tolist()
    assert sorted(numbers) == list(range(7))
    assert numbers != sorted(numbers)  # not in row order
    other = import_codes(path, ids, seed=6).codes.codes
    assert (other != imported.codes.codes).any()


def test_repeated_items_must_have_equal_codes(tmp_path: Path) -> None:
    path = as_json(tmp_path, '{"x": [1, 2], "y": [1, 3], "z": [2, 2], "x": "1 2"}')
    assert read(path).codes.codes.tolist() == [[0, 0], [0, 1], [1, 0]]
    path = as_json(tmp_path, '{"x": [1, 2], "y": [1, 3], "z": [2, 2], "x": [1, 3]}')
    assert ", item 'x': expected one set of codes for item 'x', got (1, 3) after (1, 2)" in refused(
        path
    )
    path = tmp_path / "t.csv"
    path.write_text("item,codes\nx,1 2\ny,1 3\nz,2 2\nx,2 1\n")
    assert refused(path).startswith(", row 5: expected one set of codes for item 'x'")


def test_the_error_counts_items_without_codes_and_names_one(tmp_path: Path) -> None:
    path = as_json(tmp_path, {"y": [1], "other": "?"})
    assert "all 3 items of the table, got none for 2 of them, such as 'x'" in refused(path)


MIXED = {
    "a level word among words": ({"x": "red <a_1>", "y": "a b", "z": "c d"}, "x", "of one kind"),
    "words among integers": ({"x": [1, 2], "y": [1, 3], "z": "n/a"}, "z", "integers, as most"),
    "digits among words of equal number": ({"x": "1 2", "y": "a b"}, "y", "integers, as most"),
    "numbers among words": ({"x": "red", "y": "blue", "z": [3]}, "z", "words, as most"),
    "integers among level words": ({"x": ["<a_1>"], "y": ["<a_2>"], "z": [3]}, "z", "level words"),
    "a word beside an integer": ({"x": [1, "red"], "y": [1, 2], "z": [2, 2]}, "x", "of one kind"),
    "none among integers": ({"x": [1, 2], "y": [], "z": [2, 2]}, "y", "integers, as most"),
    "none among level words": ({"x": "<a_1>", "y": "", "z": "<a_2>"}, "y", "got nothing"),
    "fewer integers": ({"x": [1, 2], "y": [1], "z": [2, 2]}, "y", "2 codes, as most items have"),
    "fewer level words": (
        {"x": "<a_1><b_2>", "y": "<a_1><b_3>", "z": "<b_2>"},
        "z",
        "<a_..><b_..>",
    ),
    "levels swapped": ({"x": "<a_1><b_2>", "y": "<b_1><a_3>", "z": "<a_1><b_5>"}, "y", "<a_..>"),
    "level word gone wrong": ({"x": "<a_1>", "y": "<a_2>", "z": "<a3>"}, "z", "<a_12>"),
    "all level words gone wrong": ({"x": "<|a_1|>", "y": "<|a_2|>", "z": "<|a_3|>"}, "x", "<a_12>"),
    "cut short": ({"x": "<a_1><b_2>", "y": "<a_1><b_", "z": "<a_1><b_3>"}, "y", "<a_12>"),
    "a list as text": ({"x": "[1, 2]", "y": "[1, 3]", "z": "[2, 2]"}, "x", "<a_12>"),
    "decimals as text": ({"x": "1.5 2", "y": "1 3", "z": "2 2"}, "x", "integer codes from 0"),
    "negative": ({"x": [1, 2], "y": [1, -3], "z": [2, 2]}, "y", "integer codes from 0"),
    "negative text": ({"x": "1 2", "y": "1 -3", "z": "2 2"}, "y", "got '-3'"),
    "huge": ({"x": [1, 2], "y": [1, 2**31], "z": [2, 2]}, "y", "to 2147483647, got 2147483648"),
    "beyond 64 bits": ({"x": [1, 2], "y": [1, 10**400], "z": [2, 2]}, "y", "to 2147483647"),
    "huge text": ({"x": "1", "y": "9" * 9999, "z": "2"}, "y", "to 2147483647"),
    "huge level word": ({"x": "<a_1>", "y": f"<a_{'9' * 9999}>", "z": "<a_2>"}, "y", "to 21474"),
    "float": ({"x": [1, 2], "y": [1, 2.0], "z": [2, 2]}, "y", "got 2.0"),
    "infinity": ({"x": [1, 2], "y": float("inf"), "z": [2, 2]}, "y", "got inf"),
    "boolean": ({"x": [1, 2], "y": [1, True], "z": [2, 2]}, "y", "got True"),
    "nested": ({"x": [1, 2], "y": [[1, 2]], "z": [2, 2]}, "y", "got [1, 2]"),
    "object": ({"x": [1, 2], "y": {"a": 1}, "z": [2, 2]}, "y", "got an object"),
    "null": ({"x": [1, 2], "y": None, "z": [2, 2]}, "y", "got nothing"),
    "null inside": ({"x": ["a", None], "y": ["b"], "z": ["c"]}, "x", "got nothing"),
    "no word inside": ({"x": ["a", " "], "y": ["b"], "z": ["c"]}, "x", "got ' '"),
    "too many levels": (
        {"x": "a " * (DEEPEST + 1), "y": "b", "z": "c"},
        "x",
        f"at most {DEEPEST} codes",
    ),
}


@pytest.mark.parametrize(("content", "item", "message"), MIXED.values(), ids=MIXED)
def test_invalid_codes_are_errors_with_their_location(
    content: dict[str, Any], item: str, message: str, tmp_path: Path
) -> None:
    line = refused(as_json(tmp_path, content), list(content))
    assert line.startswith(f", item {item!r}: ")
    assert message in line
    line = refused(as_lines(tmp_path, content), list(content))
    assert line.startswith(f", row {list(content).index(item) + 1}: ")
    assert message in line


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pl.Series([[1, 2], [1, None]]), ", row 2: .*got nothing"),
        (pl.Series([[1, 2], None]), ", row 2: .*got nothing"),
        (pl.Series([[1.0, 2.0], [1.0, 3.0]]), ", row 1: .*got 1.0"),
        (pl.Series([[[1]], [[2]]]), r", row 1: .*got \[1\]"),
        (pl.Series([b"x", b"y"]), ", row 1: .*got b'x'"),
        (pl.Series([{"a": 1}, {"a": 2}]), ", row 1: .*got {'a': 1}"),
        (pl.Series([["a"], [None]]), ", row 2: .*got nothing"),
        (pl.Series([[], []], dtype=pl.List(pl.Int64)), ": .*got nothing for all 2 items"),
    ],
)
def test_hostile_columns(values: pl.Series, message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pl.DataFrame({"item": ["x", "y"], "codes": values}).write_parquet(path)
    with pytest.raises(UserError, match=message) as caught:
        import_codes(path, ["x", "y"])
    assert len(caught.value.lines) == 1


def test_invalid_item_ids_are_errors(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    for bad in ("null", '""', "[1]", "true", '{"a": 1}'):
        path.write_text(f'{{"item": "x", "codes": [1]}}\n{{"item": {bad}, "codes": [1]}}\n')
        assert refused(path, ["x"]).startswith(", row 2: expected the id of an item")
    table = tmp_path / "t.parquet"
    pl.DataFrame({"item": [["x"]], "codes": [[1]]}).write_parquet(table)
    assert "row 1: expected the id of an item, got ['x']" in refused(table, ["x"])
    pl.DataFrame({"item": ["x", None], "codes": [[1], [2]]}).write_parquet(table)
    assert ", row 2: expected the id of an item, got nothing" in refused(table, ["x"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.json", b"", ": expected a readable text file, got an empty file"),
        ("t.json", b'{"x": [1],\n"y" [2]}', ", row 2: expected valid JSON, got Expecting ':'"),
        ("t.json", b"[1, 2]", ": expected a JSON object of items and their codes, got [1, 2]"),
        ("t.json", b"{}", ": expected at least one item, got none"),
        ("t.json", b'{"x": %s}' % (b"9" * 5000), "beyond the limits of Python"),
        ("t.json", b'{"x": %s' % (b"[" * 200_000), "beyond the limits of Python"),
        ("t.json", b"\xff\xfe\x00", ", row 1: expected utf-16-le text"),
        ("t.jsonl", b"", ": expected a readable text file, got an empty file"),
        ("t.jsonl", b'{"item": "x", "codes": [1]}\n\n{"item"', ", row 3: expected valid JSON"),
        ("t.jsonl", b'{"item": "x", "codes": [1]}\n[1]', ", row 2: expected a JSON object"),
        ("t.jsonl", b'{"item": "x", "codes": [1]}\n{"item": 1}', ", row 2: expected a column 'cod"),
        ("t.jsonl.gz", gzip.compress(b'{"item": "x"}\n', mtime=0)[:-9], "a readable text"),
        ("t.csv", b"", "got an empty file"),
        ("t.csv", b"item,codes\n", "at least one row"),
        ("t.csv", b"item,codes\nx,1,2\n", ", row 2: expected 2 cells, got 3 cells"),
        ("t.parquet", b"PAR1", "expected a readable parquet"),
    ],
)
def test_unreadable_files_are_errors(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert message in refused(path)


# no surrogates in text: JSON files contain them escaped
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
    | st.sampled_from(["<a_1>", "<a_1><b_2>", "1 2", "1,,2", "-1", "<a_", "[1]"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=5,
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(content=st.lists(values, min_size=3, max_size=3), lines=st.booleans())
def test_any_content_gives_codes_or_an_error_of_one_line(
    content: list[Any], lines: bool, tmp_path_factory: Any
) -> None:
    write = as_lines if lines else as_json
    path = write(tmp_path_factory.mktemp("any"), dict(zip(IDS, content, strict=True)))
    lines_of_error = ["one line"]
    try:
        check(import_codes(path, IDS).codes)
    except UserError as error:
        lines_of_error = str(error).splitlines()
    assert len(lines_of_error) == 1


def check(codes: ItemCodes) -> None:
    """Checks the invariants of ``ItemCodes``."""
    assert codes.codes.shape == (3, codes.levels)
    assert sharing(codes.codes) == 0
    assert ((codes.codes >= 0) & (codes.codes < np.array(codes.sizes))).all()
