"""What the reference says of a type, a default and a docstring."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
from fields import keys_of
from prose import parsed, table
from pydantic import Field

from p5rec.core.config import Config, FileName


class Inner(Config):
    """A section."""

    size: int = 1
    """Items."""


class Outer(Config):
    """All kinds of keys."""

    must: str
    """A word."""
    share: float = Field(0.5, gt=0, le=1)
    """A share over
    two lines.
    """
    count: Annotated[int, Field(ge=2)] | None = None
    way: Literal["a", "b", "c"] = "b"
    names: dict[FileName, Inner] = {"one": Inner()}
    pairs: tuple[tuple[str, str], ...] = ()
    inner: Inner = Inner()


class Built(Outer):
    """Keeps the meanings of what it is built on."""

    share: float = 0.1


@pytest.mark.parametrize(
    ("name", "type_", "default"),
    [
        ("must", "string", "required"),
        ("share", "number > 0, ≤ 1", "`0.5`"),
        ("count", "integer ≥ 2 or `null`", "`null`"),
        ("way", "one of `a`, `b`, `c`", "`b`"),
        ("names", "mapping of name to section", "`{one: {}}`"),
        ("pairs", "list of list of 2: string, string", "`[]`"),
        ("inner", "section", "those below"),
    ],
)
def test_types_and_defaults(name: str, type_: str, default: str) -> None:
    key = {key.name: key for key in keys_of(Outer)}[name]
    assert (key.type, key.default) == (type_, default)


def test_a_meaning_is_the_string_below_a_field_or_below_that_of_a_base() -> None:
    meanings = {key.name: key.meaning for key in keys_of(Built)}
    assert meanings["share"] == "A share over two lines."
    assert meanings["way"] == ""


def test_a_docstring_is_taken_apart() -> None:
    doc = parsed(
        """Reads :class:`~p5rec.api.dataset.Dataset`.

        Args:
            path: a file; ``None``
                is nothing.
            **more: settings.

        Raises:
            UserError: it is missing.
        """
    )
    assert doc.text == "Reads `Dataset`."
    assert doc.sections["Args"] == [
        ("path", "a file; ``None`` is nothing."),
        ("**more", "settings."),
    ]
    assert doc.sections["Raises"] == [("UserError", "it is missing.")]


def test_cells_hold_bars_and_lines() -> None:
    assert table(["a"], [["x | y\nz"]]).splitlines()[-1] == r"| x \| y z |"
