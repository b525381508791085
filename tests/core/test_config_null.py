"""``null`` in a config: a value where the schema accepts it; elsewhere it removes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from p5rec.core.config import Config, load, read_yaml
from p5rec.core.errors import UserError


class Section(Config):
    name: str = "plain"
    size: int | None = 3


class Other(Config):
    width: int


class Method(Config):
    ids: str = "semantic"
    section: Section | None = Section()
    fixed: Section = Section()
    loss: Literal["mse", "ce"] | None = "mse"
    either: Section | Other = Section()


class Recipe(Config):
    methods: dict[str, Method] = {}
    attributes: dict[str, str | Section] = {}
    prompts: dict[str, int] = {"rating": 5}
    names: tuple[str, ...] = ("a", "b")
    seed: int = 0
    needed: Section


BASE = """\
methods: {ids: {ids: x}, two: {section: {size: 9}, fixed: {name: big}, either: {width: 2}}}
attributes: {year: year, genres: {name: g}}
prompts: {rating: 500, review: 50}
names: [c]
seed: 7
needed: {}
"""


def over(folder: Path, text: str, overrides: tuple[str, ...] = ()) -> Recipe:
    (folder / "base.yaml").write_text(BASE)
    (folder / "top.yaml").write_text(f"base: base.yaml\n{text}\n")
    return load(folder / "top.yaml", Recipe, overrides)


def test_null_removes_an_entry_of_the_base(tmp_path: Path) -> None:
    result = over(tmp_path, "methods: {ids: null}\nattributes: {year: null}\nprompts: {rating: ~}")
    assert list(result.methods) == ["two"]
    assert result.attributes == {"genres": Section(name="g")}
    assert result.prompts == {"review": 50}
    assert over(tmp_path, "", ("methods.two=null",)).methods.keys() == {"ids"}


def test_null_resets_a_section_or_a_list_to_its_default(tmp_path: Path) -> None:
    text = "methods: null\nattributes: null\nprompts: null\nnames: null"
    plain = Recipe(seed=7, needed=Section())
    assert over(tmp_path, text) == plain
    result = over(tmp_path, "methods: {two: {fixed: null, either: null}}").methods["two"]
    assert (result.fixed, result.either, result.section) == (Section(), Section(), Section(size=9))


def test_null_stays_a_value_where_the_schema_accepts_it(tmp_path: Path) -> None:
    text = "methods: {two: {section: null, loss: null}, three: {section: {size: null}}}"
    result = over(tmp_path, text).methods
    assert (result["two"].section, result["two"].loss) == (None, None)
    assert result["three"].section == Section(size=None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: null", ":2: seed: input should be a valid integer, got None"),
        ("needed: null", ":2: expected a value for 'needed', got none"),
        ("methods: {new: null}", ":2: methods.new: input should be a valid dictionary"),
        ("prompts: {new: null}", ":2: prompts.new: input should be a valid integer, got None"),
        ("nmaes: null", ":2: expected a known key, got 'nmaes'; did you mean 'names'?"),
        ("methods: {two: null, b: {like: two}}", "got 'two', which is removed; known: ids"),
        ("methods: {two: null, b: {like: two}, c: {like: b}, d: {like: c}}", "got 'two', which"),
    ],
)
def test_a_null_that_removes_nothing_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        over(tmp_path, text)
    assert len(caught.value.lines) == 1
    assert message in str(caught.value)


def test_a_base_may_be_a_shipped_config_or_a_run(tmp_path: Path) -> None:
    (tmp_path / "runs" / "old").mkdir(parents=True)
    (tmp_path / "runs" / "old" / "config.yaml").write_text(BASE)
    (tmp_path / "top.yaml").write_text("base: runs/old\nseed: 1\n")
    assert load(tmp_path / "top.yaml", Recipe).prompts == {"rating": 500, "review": 50}
    (tmp_path / "top.yaml").write_text("# mine\nbase: quickstrat\n")
    with pytest.raises(UserError, match=r"top.yaml:2: base: .*did you mean 'quickstart'"):
        load(tmp_path / "top.yaml", Recipe)


def test_a_byte_order_mark_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "top.yaml").write_bytes(b"\xef\xbb\xbfseed: 1\n")
    assert read_yaml(tmp_path / "top.yaml")[0] == {"seed": 1}
    (tmp_path / "top.yaml").write_bytes(b"\xef\xbb\xbfseed: 1\nseed: 2\n")
    with pytest.raises(UserError, match=":2: expected each key once"):
        read_yaml(tmp_path / "top.yaml")
