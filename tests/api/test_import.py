"""Opening the package is quick because it imports almost nothing."""

from __future__ import annotations

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


def test_every_name_is_there_and_no_other() -> None:
    for name in p5rec.__all__:
        assert callable(getattr(p5rec, name)), name
    assert {*p5rec.__all__} <= {*dir(p5rec)}
    assert not hasattr(p5rec, "Nothing")
    assert not hasattr(p5rec, "nothing")
