"""``import p5rec`` is quick and imports no heavy library."""

from __future__ import annotations

import inspect
import subprocess
import sys

import p5rec

HEAVY = ("torch", "transformers", "polars", "numpy", "pydantic", "pandas", "matplotlib")
SCRIPT = f"""
import sys
import p5rec
assert not [name for name in {HEAVY} if name in sys.modules], 'import p5rec'
p5rec.Ease(l2=1.0), p5rec.Dataset, p5rec.Model, p5rec.load, p5rec.evaluate, p5rec.audit
assert not [name for name in ('torch', 'pandas', 'matplotlib') if name in sys.modules], 'names'
"""


def test_nothing_heavy_is_imported() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)


def test_the_package_has_the_names_of_all_and_no_others() -> None:
    for name in p5rec.__all__:
        assert callable(getattr(p5rec, name)), name
    assert {*p5rec.__all__} <= {*dir(p5rec)}
    assert not hasattr(p5rec, "Nothing")
    assert not hasattr(p5rec, "nothing")


def test_every_public_name_has_a_docstring_and_types() -> None:
    for name in p5rec.__all__:
        found = getattr(p5rec, name)
        own = vars(found) if inspect.isclass(found) else {}
        inner = {key: value for key, value in own.items() if not key.startswith("_")}
        for path, each in {
            name: found,
            **{f"{name}.{n}": each for n, each in inner.items()},
        }.items():
            if isinstance(each, property):
                each = each.fget
            each = getattr(each, "__func__", getattr(each, "func", each))
            if inspect.isclass(each) or inspect.isroutine(each):
                assert inspect.getdoc(each), path
            if inspect.isfunction(each):
                typed = {*each.__annotations__} | {"self", "cls"}
                assert {*inspect.signature(each).parameters, "return"} <= typed, path
