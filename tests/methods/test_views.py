"""Views of items in semantic ids: how a method is resolved, and errors."""

from __future__ import annotations

from typing import Any

import pytest

from p5rec.core.config import KeyOrigin
from p5rec.core.errors import UserError
from p5rec.ids.config import IdsConfig
from p5rec.methods.baselines.ease import Ease
from p5rec.methods.baselines.sasrec import Sasrec
from p5rec.methods.registry import baseline
from p5rec.methods.views import view_methods

METHODS = {"deep": Sasrec(width=8), "flat": Ease()}
AT = "ids.semantic.vectors.methods.v.method"


def bound(method: Any, lines: Any = None) -> Any:
    ids = {"semantic": IdsConfig(vectors={"methods": {"v": {"method": method}}})}
    return view_methods(ids, METHODS, lines)["semantic"]["v"]


def test_a_view_is_a_section_a_method_of_the_recipe_or_a_baseline() -> None:
    assert bound({"kind": "sasrec", "width": 16, "tune": {}}) == Sasrec(width=16, tune={})
    assert bound("deep") is METHODS["deep"]
    assert bound("bpr") == baseline("bpr")
    assert bound("mf") == baseline("mf")
    assert view_methods({"plain": IdsConfig()}, METHODS) == {"plain": {}}


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("dep", "expected a method of the recipe or a baseline, got 'dep'; did you mean 'deep'?"),
        ("sasrek", "got 'sasrek'; did you mean 'sasrec'?"),
        ("flat", "expected a method with item vectors, got 'flat'; take one of bpr, deep, "),
        ("most-frequent", "expected a method with item vectors, got 'most-frequent'; take one of "),
        (
            {"kind": "ease"},
            "expected a method with item vectors, got 'ease'; take one of bpr, m6-rec-",
        ),
        ({"kind": "sasrek"}, "expected a kind of method, got 'sasrek'; did you mean 'sasrec'"),
        ({"kind": "sasrec", "width": 0}, "input should be greater than or equal to 2, got 0"),
        ({"train": {"steps": 1}}, "expected a method with item vectors, got 'generative'"),
    ],
)
def test_an_error_is_one_line_with_the_key(method: Any, message: str) -> None:
    with pytest.raises(UserError) as caught:
        bound(method, {tuple(AT.split(".")[:5]): KeyOrigin("my.yaml:7")})
    (line,) = caught.value.lines
    assert message in line
    assert line.startswith(f"my.yaml:7: {AT}")


def test_an_unknown_setting_is_reported_with_its_line_and_the_nearest_known_one() -> None:
    at = (*AT.split("."), "widht")
    with pytest.raises(UserError) as caught:
        bound({"kind": "sasrec", "widht": 8}, {at: KeyOrigin("my.yaml:9")})
    assert str(caught.value) == (
        f"my.yaml:9: expected a known key, got '{AT}.widht'; did you mean 'width'?"
    )


def test_a_named_section_is_bound() -> None:
    ids = {"semantic": IdsConfig(vectors={"methods": {"v": {"method": "deep"}}})}
    sections = {"deep": {"kind": "sasrec", "width": 12}, "other": "not a section"}
    assert view_methods(ids, sections)["semantic"]["v"] == Sasrec(width=12)
    with pytest.raises(UserError, match=r"'methods\.deep\.widht'; did you mean 'width'"):
        view_methods(ids, {"deep": {"kind": "sasrec", "widht": 12}})


def test_all_errors_are_reported_together() -> None:
    views = {"a": {"method": "unknown"}, "b": {"method": {"kind": "sasrec", "width": 0}}}
    ids = {name: IdsConfig(vectors={"methods": views}) for name in ("one", "two")}
    with pytest.raises(UserError) as caught:
        view_methods(ids, METHODS)
    assert len(caught.value.lines) == 4


def test_names_of_views_are_unique() -> None:
    with pytest.raises(ValueError, match="rename 'text'"):
        IdsConfig(vectors={"methods": {"text": {"method": "sasrec"}}})
