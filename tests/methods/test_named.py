"""Methods in the settings of others: sections, and names of the recipe's methods."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tiny_models import scratch

from p5rec.core.errors import UserError
from p5rec.methods.base import Method
from p5rec.methods.registry import METHODS, methods_of

BACKBONE = scratch(width=16, layers=1)
PALR = {"kind": "palr", "backbone": BACKBONE, "train": {"steps": 1}}
M6 = {"kind": "m6-rec", "backbone": BACKBONE}


def resolved(exclude_seen: bool = True, **sections: dict[str, Any]) -> dict[str, Method]:
    methods = {name: METHODS.get(each["kind"])(**each) for name, each in sections.items()}
    evaluate = SimpleNamespace(exclude_seen=exclude_seen)
    return methods_of(SimpleNamespace(baselines=(), methods=methods, evaluate=evaluate))


def errors(**sections: dict[str, Any]) -> list[str]:
    with pytest.raises(UserError) as error:
        resolved(**sections)
    return list(error.value.lines)


MIX = {"kind": "fusion", "components": {"a": "linear", "b": {"kind": "personal-frequency"}}}
LINEAR = {"kind": "item-to-item", "l2": 7.0, "tune": {}}


def test_names_inside_a_named_method_are_resolved_too() -> None:
    methods = resolved(False, palr={**PALR, "retriever": "mix"}, mix=MIX, linear=LINEAR)
    assert list(methods) == ["palr", "mix", "linear"]
    found = methods["palr"].retriever
    assert found == methods["mix"]
    assert found.methods["a"] == methods["linear"]
    assert found.exclude_seen is False
    assert [*found.needs(0)] == ["a.0", "b.0"]


def test_names_inside_a_section_are_resolved_too() -> None:
    methods = resolved(palr={**PALR, "retriever": MIX}, linear=LINEAR)
    assert methods["palr"].retriever.methods["a"] == methods["linear"]
    (line,) = errors(palr={**PALR, "retriever": MIX})
    assert line.startswith(
        "methods.palr.retriever.components.a: expected a section, or the name of"
    )


def test_methods_that_name_each_other_are_refused() -> None:
    (line,) = errors(palr={**PALR, "retriever": "palr"})
    assert "methods.palr: expected methods that can be fitted one after another" in line
    (line,) = errors(a={**M6, "teacher": "b"}, b={**M6, "teacher": "a"})
    assert "got a → b → a" in line or "got b → a → b" in line


def test_a_named_method_with_a_grid_is_refused_where_one_fit_is_read() -> None:
    grid = {"kind": "popularity", "tune": {"half_life": [0.1, 0.3]}}
    (line,) = errors(palr={**PALR, "retriever": "grid"}, grid=grid)
    assert line == "methods.palr.retriever: expected fixed settings, got a grid; set tune: {}"
    tuned = {**M6, "tune": {"learning_rate": [0.001, 0.01]}}
    (line,) = errors(student={**M6, "teacher": "tuned"}, tuned=tuned)
    assert line == "methods.student.teacher: expected fixed settings, got a grid; set tune: {}"


def test_a_teacher_is_an_m6_rec_and_may_have_a_teacher() -> None:
    with pytest.raises(ValueError, match="teacher: expected an m6-rec, got popularity"):
        METHODS.get("m6-rec")(**M6, teacher={"kind": "popularity"})
    (line,) = errors(student={**M6, "teacher": "other"}, other={"kind": "popularity"})
    assert "methods.student.teacher: expected a section, or the name of an m6-rec" in line
    three = resolved(a={**M6, "teacher": "b"}, b={**M6, "teacher": "c"}, c=M6)
    assert three["a"].teacher.teacher == three["c"]


def test_the_control_of_histories_reaches_the_teacher() -> None:
    student = resolved(a={**M6, "teacher": "b", "permute_histories": True}, b=M6)["a"]
    assert student.needs(0)["teacher"].method.permute_histories
