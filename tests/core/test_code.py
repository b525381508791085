"""Code digests: which sources count, and which changes alter the digest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from p5rec.core import code
from p5rec.core.code import CODE, Code
from p5rec.core.registry import Registry
from p5rec.core.rng import derive_rng

SOURCES = {
    "__init__.py": '"""The package."""\n',
    "a/__init__.py": "",
    "a/work.py": (
        "from typing import TYPE_CHECKING\n"
        "import numpy as np\n"
        "from ..b import near\n"
        "if TYPE_CHECKING:\n"
        "    import torch\n"
        "    from p5rec.c import typed\n"
        "def work():\n"
        "    from .lazy import late\n"
        "    return near.far(late, np)\n"
    ),
    "a/lazy.py": "import sklearn.svm\nlate = 1\n",
    "b/__init__.py": "",
    "b/near.py": "from .far import far\n",
    "b/far.py": "import p5rec.d.deep\ndef far(*a):\n    return a\n",
    "c/__init__.py": "",
    "c/typed.py": "import transformers\n",
    "d/__init__.py": "FOUND = 1\n",
    "d/deep.py": "",
    "d/names.py": 'NAMES = Registry("kind", {"one": "p5rec.c.typed:X"})\n',
    "d/page.py": 'from importlib.resources import files\nPAGE = files("p5rec.d") / "assets"\n',
    "d/assets/page.css": "a {}",
}
WORK = "p5rec.a.work:work"


def package(folder: Path, changes: Mapping[str, str] | None = None) -> Code:
    """The small package with some files replaced."""
    for name, text in {**SOURCES, **(changes or {})}.items():
        path = folder / "p5rec" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Code(folder)


def test_the_closure_holds_all_imports_at_any_depth(tmp_path: Path) -> None:
    assert package(tmp_path).closure(WORK) == [
        "p5rec", "p5rec.a", "p5rec.a.lazy", "p5rec.a.work", "p5rec.b", "p5rec.b.far",
        "p5rec.b.near", "p5rec.d", "p5rec.d.deep",
    ]  # fmt: skip


def test_comments_docstrings_and_layout_do_not_count(tmp_path: Path) -> None:
    text = SOURCES["a/work.py"].replace(
        "def work():\n", 'def work():\n    """Works."""\n    # slowly\n\n'
    )
    text = '"""Work."""\n\n' + text.replace("    import torch\n", "")
    was = package(tmp_path / "was")
    assert package(tmp_path / "now", {"a/work.py": text}).digest(WORK) == was.digest(WORK)


@pytest.mark.parametrize("name", ["a/work", "a/lazy", "b/far", "d/deep", "d/__init__"])
def test_a_changed_line_of_any_of_them_counts(tmp_path: Path, name: str) -> None:
    file = f"{name}.py"
    changed = {file: SOURCES[file] + "CHANGED = 1\n"}
    was, now = package(tmp_path / "was"), package(tmp_path / "now", changed)
    assert now.digest(WORK) != was.digest(WORK)


def test_other_modules_do_not_count(tmp_path: Path) -> None:
    was, now = package(tmp_path / "was"), package(tmp_path / "now", {"c/typed.py": "X = 2\n"})
    assert now.digest(WORK) == was.digest(WORK)
    assert now.digest(WORK, "p5rec.c.typed:X") != was.digest(WORK, "p5rec.c.typed:X")
    assert now.digest("p5rec.c.typed:X") != now.digest("p5rec.c.typed:Y")


def test_a_new_registry_entry_does_not_count(tmp_path: Path) -> None:
    more = SOURCES["d/names.py"].replace("}", ', "two": "p5rec.b.far:far"}')
    was, now = package(tmp_path / "was"), package(tmp_path / "now", {"d/names.py": more})
    assert now.digest("p5rec.d.names:NAMES") == was.digest("p5rec.d.names:NAMES")


def test_the_files_of_a_page_count(tmp_path: Path) -> None:
    was, now = package(tmp_path / "was"), package(tmp_path / "now")
    (tmp_path / "now" / "p5rec" / "d" / "assets" / "page.css").write_text("b {}")
    assert now.digest("p5rec.d.page:PAGE") != was.digest("p5rec.d.page:PAGE")
    assert now.digest("p5rec.d.deep:X") == was.digest("p5rec.d.deep:X")


def test_versions_are_those_of_imported_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code, "version_of", lambda name: f"{name} 1.0+cpu")
    result = package(tmp_path).libraries(WORK)
    del result["python"]
    assert result == {"numpy": "numpy 1.0+cpu", "scikit-learn": "scikit-learn 1.0+cpu"}


def test_a_function_is_identified_by_its_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert CODE.digest(derive_rng) == CODE.digest("p5rec.core.rng:derive_rng")
    with pytest.raises(ValueError, match=r"in a module with a source, got builtins"):
        CODE.closure(len)
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in {
        "of_a_user": "import of_a_user_too\nfrom p5rec.core import rng\n",
        "of_a_user_again": "from p5rec.core import rng\n",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    result = CODE.closure("of_a_user:work")
    assert {"of_a_user", "p5rec.core.rng"} <= {*result}
    assert CODE.digest("of_a_user:work") != CODE.digest("of_a_user_again:work")


def test_a_registry_gives_the_target_of_a_name() -> None:
    assert Registry("kind", {"one": "p5rec.core.rng:tie_order"}).target("one").endswith("tie_order")
