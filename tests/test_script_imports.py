"""Scripts import only names that exist; they run rarely, so renames could break them unnoticed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SCRIPTS = sorted(Path(__file__).parents[1].glob("scripts/*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_imports_of_scripts_exist(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("p5rec"):
            names = [alias.name for alias in node.names]
            module = __import__(str(node.module), fromlist=names)
            assert [name for name in names if not hasattr(module, name)] == []
