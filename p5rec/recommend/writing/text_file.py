"""Texts that were written elsewhere, in a file of the user."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

import polars as pl

from p5rec.core.artefacts import file_sha256, read_json
from p5rec.core.errors import did_you_mean, input_error
from p5rec.data.cells import as_id
from p5rec.data.files import existing
from p5rec.data.known import read_columns
from p5rec.tasks.literal import Literal as Escape
from p5rec.tasks.literal import literal

from .port import Answer, Assignment, GeneratorConfig, Request, Writer

OBJECTS = (".json", ".klg")  # suffixes of JSON objects by id


class TextFile(GeneratorConfig):
    """Texts that were written elsewhere. Rows of unknown ids are skipped and counted; an entity
    without a row has no text."""

    prompted: ClassVar[bool] = False

    kind: Literal["file"] = "file"
    path: str
    """JSON lines, Parquet, CSV or TSV, with one row per item or user; or ``.json`` or ``.klg``, a
    JSON object whose keys are ids.
    """
    id: str | None = None
    """Column of the external id. null: ``item`` or ``user``."""
    text: str = "text"
    """Column of the text; in a JSON object, the key of the text below an id."""

    def open(self, assignment: Assignment) -> Writer:
        """See :class:`.port.GeneratorConfig`."""
        path, kind = existing(self.path), assignment.of.removesuffix("s")
        column = self.id or kind
        table = (
            self._mapping(path, column)
            if path.suffix in OBJECTS
            else read_columns(path, [column, self.text])
        )
        if table.schema[self.text] != pl.String:
            got = str(table.schema[self.text])
            raise input_error(path, f"texts in column {self.text}", got, "name another column")
        ids = as_id(table[column])
        if (repeats := ~ids.is_first_distinct() & ids.is_not_null()).any():
            row = repeats.arg_max() or 0
            where = f"{path}, row {table['row'][row]}"
            got = f"another one of {ids[row]!r}"
            raise input_error(where, f"one row per {kind}", got, "remove it")
        known = ids.is_in(list(assignment.ids))
        if not known.any():
            hint = did_you_mean(str(ids[0]), list(assignment.ids)[:1000])
            got = f"{ids[0]!r} and {len(ids) - 1} other unknown ids"
            raise input_error(path, f"texts of {assignment.of} of the data", got, hint)
        texts = table[self.text].str.strip_chars().to_list()
        by_id = dict(zip(ids.to_list(), texts, strict=True))
        return FileWriter(by_id, int((~known).sum()))

    def _mapping(self, path: Path, column: str) -> pl.DataFrame:
        """The ids and texts of a JSON object, and the number of each."""
        tree = read_json(path)
        if not isinstance(tree, dict) or not tree:
            raise input_error(path, "a JSON object whose keys are ids", "none", "check the file")
        texts = []
        for name, value in tree.items():
            text = value.get(self.text) if isinstance(value, dict) else value
            if not isinstance(text, str):
                raise input_error(
                    f"{path}, {name!r}", f"a text, or an object with the key {self.text!r}",
                    type(value).__name__, "name the key (text: KEY)",
                )  # fmt: skip
            texts.append(text)
        rows = range(1, len(texts) + 1)
        return pl.DataFrame({"row": rows, column: [*tree], self.text: texts})

    def reads(self) -> dict[str, str]:
        """See :class:`.port.GeneratorConfig`."""
        return {"file": file_sha256(existing(self.path))}

    def settings(self) -> dict[str, object]:
        """See :class:`.port.GeneratorConfig`; the contents count, not the path."""
        return {name: value for name, value in self.dump().items() if name != "path"}

    @property
    def files(self) -> tuple[Path, ...]:
        """See :class:`.port.GeneratorConfig`."""
        return (Path(self.path),)


class FileWriter:
    """The texts of a file by external id.

    Args:
        texts: id → text; None or "": no text.
        unknown: the number of rows of unknown ids.
    """

    escape: Escape = literal

    def __init__(self, texts: dict[str, str | None], unknown: int) -> None:
        self.texts, self.facts = texts, {"unknown_ids": unknown}

    def write(self, requests: Sequence[Request]) -> list[Answer]:
        """See :class:`.port.Writer`."""
        return [Answer(self.texts.get(request.id) or None) for request in requests]
