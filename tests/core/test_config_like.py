"""``like:``: an entry inherits the keys of its sibling."""

from __future__ import annotations

from pathlib import Path

import pytest

from p5rec.core.config import read_tree
from p5rec.core.errors import UserError


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_keys_of_the_entry_win_over_those_of_its_sibling(tmp_path: Path) -> None:
    path = write(tmp_path, "m:\n  a: {ids: x, t: {s: 1, r: 2}}\n  b: {like: a, ids: y}\n")
    tree, _ = read_tree(path)
    assert tree["m"]["b"] == {"ids": "y", "t": {"s": 1, "r": 2}}


def test_an_override_of_the_sibling_is_inherited(tmp_path: Path) -> None:
    path = write(tmp_path, "m:\n  a: {t: {s: 1}}\n  b: {like: a}\n")
    tree, _ = read_tree(path, ["m.a.t.s=5"])
    assert tree["m"]["b"] == {"t": {"s": 5}}


@pytest.mark.parametrize("name", ["nobody", "b"])
def test_an_unknown_sibling_is_one_line_with_its_file_and_line(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, f"m:\n  a: {{t: 1}}\n  b: {{like: {name}}}\n")
    with pytest.raises(UserError, match=r"recipe\.yaml:3: expected `like`") as error:
        read_tree(path)
    assert len(error.value.lines) == 1
