"""Reads and writes codes in the file formats of other programs.

``.json`` has the layout of the index files of LC-Rec (Zheng et al. 2024) and LETTER (Wang et al.
2024), ``{"item": ["<a_12>", "<b_3>"], ...}``; every other file is a table of items and codes. Codes
may also be words, as in the textual ids of IDGenRec (Tan et al. 2024); each word is a code of its
level.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as shortly
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from p5rec.core.artefacts import writing
from p5rec.core.atomic import atomic_write
from p5rec.core.errors import UserError, did_you_mean, input_error
from p5rec.core.item_codes import ItemCodes
from p5rec.core.rng import by_key, id_keys
from p5rec.data.cells import as_id
from p5rec.data.files import PACKED, existing, read_lines
from p5rec.data.files import kind as file_kind
from p5rec.data.known import read_columns

from .collisions import Collisions, extra_level
from .config import DEEPEST
from .plain import Words
from .quantiser import Coded
from .tokens import token_strings

LARGEST = 2**31 - 1
LEVELS, INTEGERS, DIGITS, WORDS, NOTHING = "level words", "integers", "digits", "words", "nothing"
# kind of a file → kinds of cells it may contain: digits may be words, an empty cell has no words
FITS = {LEVELS: {LEVELS}, INTEGERS: {INTEGERS, DIGITS}, WORDS: {WORDS, DIGITS, NOTHING}}
NO_WORD = ""  # pads shorter ids; sorts first

_LEVEL = re.compile(r"<([A-Za-z]{1,16})_([0-9]+)>")
_RUN = re.compile(r"(?:<[A-Za-z]{1,16}_[0-9]+>[\s,]*)+")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")
_BETWEEN = re.compile(r"\s*,\s*|\s+")
_BROKEN = re.compile(r"<[^<>0-9]*[0-9][^<>]*>")  # a malformed level word
_WRAPPED = re.compile(r"\[[^\[\]]*\]|\{[^{}]*\}")  # a list or set written as text

Parsed = tuple[Any, ...]  # the codes of an item in the file: integers alone, or words alone


@dataclass(frozen=True, eq=False)
class Imported:
    """Codes read from a file.

    Attributes:
        codes: codes of the N items of the table; the scheme is ``imported``.
        kind: kind of the codes in the file: ``level words``, ``integers`` or ``words``.
        ignored: number of items in the file that are not in the table.
        collisions: statistics of collision resolution.
    """

    codes: ItemCodes
    kind: str
    ignored: int
    collisions: Collisions

    @property
    def shared(self) -> int:
        """Number of items of the table that share their codes in the file with another item."""
        return self.collisions.before


class Cell(NamedTuple):
    """The value of one item in a file, and its location."""

    item: str
    value: object
    where: str


def export_codes(codes: ItemCodes, item_ids: Sequence[str], path: Path) -> None:
    """Writes the codes of the items with external ids ``item_ids (N,)``.

    ``.json`` maps each item to its level words. ``.parquet`` has the columns ``item`` and
    ``codes``, a list of integers. Neither format stores the codebook sizes or ``ItemCodes.tied``.

    Raises:
        UserError: the file has another ending, or cannot be written.
    """
    if path.suffix.lower() not in (".json", ".parquet"):
        got = path.suffix or "no ending"
        raise input_error(path, "a file that ends in .json or .parquet", got, "rename it")
    with writing(path):
        if path.suffix.lower() == ".json":
            words = token_strings(codes.sizes)
            lines = (
                f"{json.dumps(item, ensure_ascii=False)}: {json.dumps([words[f] for f in flat])}"
                for item, flat in zip(item_ids, codes.flat.tolist(), strict=True)
            )
            with atomic_write(path) as handle:
                handle.write("{\n" + ",\n".join(lines) + "\n}\n")
        else:
            lists = pa.array(codes.codes.tolist(), pa.list_(pa.int32()))
            table = pa.table({"item": pa.array(list(item_ids), pa.string()), "codes": lists})
            with atomic_write(path, "wb") as handle:
                pq.write_table(table, handle)


def import_codes(
    path: Path,
    item_ids: Sequence[str],
    *,
    column: str = "codes",
    item: str = "item",
    seed: int = 0,
) -> Imported:
    """Imports codes of other programs for the items with external ids ``item_ids (N,)``.

    A file holds level words (``<a_12><b_3>``), integers or free words, as lists or as text; the
    majority of its items decides. Each level keeps the codes that occur, renumbered from 0 in
    ascending order (words by code point). A padding code fills up ids with fewer words. Equal codes
    get one more level, as with the policy ``extra-level``.

    Args:
        path: ``.json`` (item to codes), or a table: ``.parquet``, ``.jsonl``, ``.csv``, ``.tsv``.
        item_ids: external ids; other items in the file are ignored.
        column, item: the table columns of codes and items.
        seed: seed of the order in which items of equal codes are numbered.

    Raises:
        UserError: the file cannot be read, lacks items, or has codes of several kinds or lengths;
            the message names the location.
    """
    path = existing(path)
    cells = _cells(path, item, column)
    wanted = set(item_ids)
    ignored = len({cell.item for cell in cells} - wanted)
    cells = [cell for cell in cells if cell.item in wanted]
    _refuse_missing(path, item_ids, cells)
    kind, parsed = _read_alike(path, cells)
    by_item = _one_each(cells, parsed)
    codes, sizes = _compact([by_item[name] for name in item_ids])
    no_vectors = np.zeros((len(codes), 0))
    order = by_key(id_keys(item_ids), seed, "ids", "collisions")
    resolved = extra_level(Coded(codes, Words(sizes), no_vectors, no_vectors), order)
    numbered = ItemCodes(resolved.codes, resolved.sizes, "imported")
    return Imported(numbered, kind, ignored, resolved.collisions)


def _cells(path: Path, item: str, column: str) -> list[Cell]:
    """The entries of the file, in file order."""
    if file_kind(path) != "jsonl":
        return list(_from_table(path, item, column))
    name = path.stem if path.suffix in PACKED else path.name
    mapping = name.lower().endswith(".json")
    cells = list(_from_mapping(path) if mapping else _from_records(path, item, column))
    if not cells:
        raise input_error(path, "at least one item", "none", "fill the file")
    return cells


def _from_table(path: Path, item: str, column: str) -> Iterator[Cell]:
    table = read_columns(path, [item, column])
    ids, raw_ids = as_id(table[item]), table[item].to_list()
    empty = None if file_kind(path) == "parquet" else ""  # text tables have no nulls
    values = table[column].to_list()
    for row, name, raw_id, value in zip(table["row"], ids, raw_ids, values, strict=True):
        where = f"{path}, row {row}"
        name = _id(raw_id if name is None else name, where)
        yield Cell(name, empty if value is None else value, where)


class Pairs(tuple[tuple[str, Any], ...]):
    """A JSON object with all its entries, duplicate names included."""


def _from_mapping(path: Path) -> Iterator[Cell]:
    tree = _json("\n".join(text for _, text in _lines(path)), path)
    if not isinstance(tree, Pairs):
        raise input_error(
            path, "a JSON object of items and their codes", _describe(tree), "export it so"
        )
    for name, value in tree:
        yield Cell(name, value, f"{path}, item {shortly(name)}")


def _from_records(path: Path, item: str, column: str) -> Iterator[Cell]:
    for row, text in _lines(path):
        if not text.strip():
            continue
        record = _json(text, path, row)
        where = f"{path}, row {row}"
        if not isinstance(record, Pairs):
            raise input_error(where, "a JSON object", _describe(record), "write one object a line")
        values = dict(record)
        if missing := next((name for name in (item, column) if name not in values), None):
            raise input_error(where, f"a column {missing!r}", "none", did_you_mean(missing, values))
        yield Cell(_id(values[item], where), values[column], where)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    return read_lines(path).iter_rows()


def _json(text: str, path: Path, row: int = 1) -> Any:
    """Parses a JSON text that begins in line ``row``."""
    try:
        return json.loads(text, object_pairs_hook=Pairs)
    except json.JSONDecodeError as error:
        line, got = row + error.lineno - 1, error.msg
    except (ValueError, RecursionError):  # limits of Python
        line, got = row, "a number or a nesting beyond the limits of Python"
    raise input_error(f"{path}, row {line}", "valid JSON", got, "fix or re-export the file")


def _id(value: object, where: str) -> str:
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise input_error(where, "the id of an item", _describe(value), "fix or remove the row")


def _describe(value: object) -> str:
    if isinstance(value, Pairs):
        return "an object"
    return "nothing" if value is None or value == "" else shortly(value)


def _refuse_missing(path: Path, item_ids: Sequence[str], cells: Sequence[Cell]) -> None:
    present = {cell.item for cell in cells}
    if missing := [name for name in item_ids if name not in present]:
        raise input_error(
            path,
            f"codes for all {len(item_ids)} items of the table",
            f"none for {len(missing)} of them, such as {missing[0]!r}",
            "add them, or name the column of these ids (item)",
        )


def _read_alike(path: Path, cells: Sequence[Cell]) -> tuple[str, list[Parsed]]:
    """The kind of codes in most cells, and the codes of all cells parsed as this kind."""
    split = [_elements(cell) for cell in cells]
    kinds = [_kind(elements, cell) for elements, cell in zip(split, cells, strict=True)]
    votes = Counter(INTEGERS if kind == DIGITS else kind for kind in kinds)
    main = max(FITS, key=lambda name: votes[name])
    if not votes[main]:
        raise input_error(
            path, "codes", f"nothing for all {len(cells)} items", "name another column"
        )
    for kind, cell in zip(kinds, cells, strict=True):
        if kind not in FITS[main]:
            raise _mixed(cell, f"{main}, as most items have")
    _refuse_deep(split, cells)
    if main == WORDS:
        return main, [tuple(map(str, elements)) for elements in split]
    _refuse_ragged([_shape(elements, main) for elements in split], cells)
    return main, [
        tuple(_integer(element, cell) for element in elements)
        for elements, cell in zip(split, cells, strict=True)
    ]


def _elements(cell: Cell) -> Sequence[object]:
    """The codes of a cell one by one, not yet validated."""
    value = cell.value
    if isinstance(value, str):
        text = value.strip()
        if _WRAPPED.fullmatch(text):
            raise _unreadable(value, cell)
        if _RUN.fullmatch(text):
            return [match[0] for match in _LEVEL.finditer(text)]
        numbers = _BETWEEN.split(text)
        return numbers if all(map(_NUMBER.fullmatch, numbers)) else text.split()
    if isinstance(value, int):
        return [value]
    if isinstance(value, list):
        return value
    raise _unreadable(value, cell)


def _kind(elements: Sequence[object], cell: Cell) -> str:
    """The common kind of a cell's elements."""
    kinds = {_kind_of_one(element, cell) for element in elements}
    if kinds in ({INTEGERS, DIGITS}, {WORDS, DIGITS}):
        kinds.discard(DIGITS)
    if len(kinds) > 1:
        raise _mixed(cell, "codes of one kind")
    return kinds.pop() if kinds else NOTHING


def _kind_of_one(element: object, cell: Cell) -> str:
    if isinstance(element, int) and not isinstance(element, bool):
        return INTEGERS
    if not isinstance(element, str) or not element.strip():
        raise _unreadable(element, cell)
    if _LEVEL.fullmatch(element):
        return LEVELS
    if _NUMBER.fullmatch(element):
        return DIGITS
    if _BROKEN.search(element):
        raise _unreadable(element, cell)
    return WORDS


def _integer(element: object, cell: Cell) -> int:
    """The code of a level word, of digits, or of an integer."""
    text = str(element)
    level = _LEVEL.fullmatch(text)
    digits = (level[2] if level else text).lstrip("0") or "0"
    value = int(digits) if digits.isdecimal() and len(digits) <= 10 else -1
    if not 0 <= value <= LARGEST:
        expected = f"integer codes from 0 to {LARGEST}"
        raise input_error(cell.where, expected, shortly(element), "fix or re-export the file")
    return value


def _shape(elements: Sequence[object], main: str) -> str:
    """The shape that all items must share, as text."""
    if main == LEVELS:
        return "".join(f"<{str(element)[1:].rpartition('_')[0]}_..>" for element in elements)
    return f"{len(elements)} codes"


def _refuse_ragged(shapes: Sequence[str], cells: Sequence[Cell]) -> None:
    usual = Counter(shapes).most_common(1)[0][0]
    for shape, cell in zip(shapes, cells, strict=True):
        if shape != usual:
            raise input_error(
                cell.where,
                f"{usual}, as most items have",
                f"{shape} for item {shortly(cell.item)}",
                "give all items the same levels",
            )


def _refuse_deep(split: Sequence[Sequence[object]], cells: Sequence[Cell]) -> None:
    for elements, cell in zip(split, cells, strict=True):
        if len(elements) > DEEPEST:
            got = f"{len(elements)} for item {shortly(cell.item)}"
            raise input_error(
                cell.where, f"at most {DEEPEST} codes per item", got, "shorten the ids"
            )


def _one_each(cells: Sequence[Cell], parsed: Sequence[Parsed]) -> dict[str, Parsed]:
    """The codes of each item; repeated items must have equal codes."""
    by_item: dict[str, tuple[Cell, Parsed]] = {}
    for cell, codes in zip(cells, parsed, strict=True):
        first, before = by_item.setdefault(cell.item, (cell, codes))
        if before != codes:
            raise input_error(
                cell.where,
                f"one set of codes for item {shortly(cell.item)}",
                f"{shortly(codes)} after {shortly(before)} in {first.where}",
                "keep one of them",
            )
    return {item: codes for item, (_, codes) in by_item.items()}


def _compact(
    parsed: Sequence[Parsed],
) -> tuple[np.ndarray, tuple[int, ...]]:
    """Codes ``(N, L)`` int32 and codebook sizes: each level's distinct values in order."""
    levels = max(map(len, parsed))
    columns, sizes = [], []
    for column in zip(
        *(codes + (NO_WORD,) * (levels - len(codes)) for codes in parsed), strict=True
    ):
        numbers = {value: code for code, value in enumerate(sorted(set(column)))}
        columns.append([numbers[value] for value in column])
        sizes.append(len(numbers))
    return np.array(columns, dtype=np.int32).T.copy(), tuple(sizes)


def _mixed(cell: Cell, expected: str) -> UserError:
    return input_error(
        cell.where, expected, _describe(cell.value), "give all items codes of one kind"
    )


def _unreadable(value: object, cell: Cell) -> UserError:
    return input_error(
        cell.where,
        "level words like <a_12>, integers or words",
        _describe(value),
        "write codes as <a_12><b_3> or 12 3, or name another column",
    )
