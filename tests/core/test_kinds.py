"""Sections whose ``kind`` selects their schema from a registry."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from p5rec.core.config import Config, load
from p5rec.core.errors import UserError
from p5rec.core.kinds import Kinds, one_of
from p5rec.core.registry import Registry


class Shape(Config):
    kind: str
    colour: str = "red"


class Circle(Shape):
    kind: Literal["circle"] = "circle"
    radius: int = 1


class Square(Shape):
    kind: Literal["square"] = "square"
    side: int = 2
    depth: int | None = 3


class Star(Shape):
    kind: Literal["star"] = "star"
    points: int = 5


SHAPES = Registry("kind of shape", {k: f"{__name__}:{k.title()}" for k in ("circle", "square")})


class Drawing(Config):
    one: Annotated[Shape, Kinds(SHAPES, "circle")] = Circle()
    more: dict[str, Annotated[Any, Kinds(SHAPES, "circle")]] = {}
    plain: dict[str, Any] = {}


def drawing(tmp_path: Path, text: str, *overrides: str, base: str = "") -> Drawing:
    (tmp_path / "base.yaml").write_text(base or "one: {}\n")
    (tmp_path / "my.yaml").write_text(f"base: base.yaml\n{text}\n")
    return load(tmp_path / "my.yaml", Drawing, overrides)


class Palette(Config):
    colours: tuple[Annotated[str, one_of("colour", ["red", "green"])], ...] = ()
    shape: Annotated[str, one_of(SHAPES.kind, SHAPES)] | None = None


def test_every_unknown_name_is_reported_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("shape: sqare\ncolours: [red, gren, blue]\n")
    with pytest.raises(UserError) as caught:
        load(path, Palette)
    assert sorted(caught.value.lines) == [
        f"{path}:1: shape: expected a known kind of shape, got 'sqare'; did you mean 'square'?",
        f"{path}:2: colours.1: expected a known colour, got 'gren'; did you mean 'green'?",
        f"{path}:2: colours.2: expected a known colour, got 'blue'; known: green, red",
    ]
    path.write_text("colours: [red]\n")
    assert load(path, Palette) == Palette(colours=("red",))


def test_each_kind_has_its_own_settings(tmp_path: Path) -> None:
    result = drawing(
        tmp_path, "one: {kind: square, side: 4}\nmore: {a: {radius: 3}, b: {kind: square}}"
    )
    assert result.one == Square(side=4)
    assert result.more == {"a": Circle(radius=3), "b": Square()}
    assert Drawing(**result.dump()) == result
    assert Drawing().one == Circle()
    assert result.dump()["one"] == {"kind": "square", "colour": "red", "side": 4, "depth": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("one: {kind: oval}", "one.kind: expected a kind of shape, got 'oval'; known: circle"),
        ("one: {kind: [oval]}", "one.kind: expected a kind of shape, got ['oval']; known"),
        ("one: 3", "my.yaml:2: one: expected a kind of shape, got 3; known: circle, square"),
        ("one: {kind: square, sid: 1}", "expected a known key, got 'one.sid'; did you mean 'side'"),
        ("more: {a: {kind: square, radius: 1}}", "expected a known key, got 'more.a.radius'"),
        ("more:\n  a:\n    radius: wide", "my.yaml:4: more.a.radius: input should be a valid int"),
    ],
)
def test_an_error_is_reported_with_its_location(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        drawing(tmp_path, text)
    assert message in str(caught.value)


def test_all_errors_are_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        drawing(tmp_path, "one: {radius: wide, colour: [1]}\nmore: {a: {sides: 1}}")
    assert len(caught.value.lines) == 3


def test_kinds_registered_later_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SHAPES._targets, "star", f"{__name__}:Star")
    assert drawing(tmp_path, "one: {kind: star, points: 6}").one == Star(points=6)


BASE = """
one: {kind: square, side: 7, colour: blue, depth: null}
more: {a: {radius: 5, colour: green}, b: {like: a, kind: square, side: 9}}
plain: {kind: x, stays: 1}
"""


@pytest.mark.parametrize(
    ("text", "overrides", "one"),
    [
        ("one: {side: 8}", (), Square(side=8, colour="blue", depth=None)),
        ("one: {kind: square}", (), Square(side=7, colour="blue", depth=None)),
        ("one: {kind: circle}", (), Circle()),
        ("one: {kind: circle, radius: 6}", ("one.colour=pink",), Circle(radius=6, colour="pink")),
        ("one: {kind: circle, radius: 6}", ("one.kind=square", "one.side=1"), Square(side=1)),
    ],
)
def test_a_section_of_another_kind_inherits_nothing(
    tmp_path: Path, text: str, overrides: tuple[str, ...], one: Shape
) -> None:
    result = drawing(tmp_path, f"{text}\nplain: {{kind: y}}", *overrides, base=BASE)
    assert result.one == one
    assert result.more["b"] == Square(side=9)  # like `a`, of another kind
    assert result.plain == {"kind": "y", "stays": 1}  # no registry decides


def test_the_default_kind_equals_the_same_kind_written_out(tmp_path: Path) -> None:
    result = drawing(tmp_path, "more: {a: {kind: circle}, c: {like: b, depth: null}}", base=BASE)
    assert result.more["a"] == Circle(radius=5, colour="green")
    assert result.more["c"] == Square(side=9, depth=None)
