"""Runs the cells of a notebook and stores what they show in it; Jupyter is not needed.

python scripts/run_notebook.py docs/tutorials/tour.ipynb

Cells run in order in one namespace and in an empty folder. A cell shows what it prints and the
value of its last line, as text, HTML or a picture: whatever the value offers to a notebook.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import os
from base64 import b64encode
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

Cell = dict[str, Any]


def outputs_of(source: str, names: dict[str, Any], count: int) -> list[Cell]:
    """What a cell shows, as a notebook stores it.

    Args:
        source: its code.
        names: the namespace, which is filled.
        count: the cell's number among those of code.
    """
    statements = ast.parse(source).body
    last = statements.pop() if statements and isinstance(statements[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with redirect_stdout(printed), redirect_stderr(io.StringIO()):
        exec(compile(ast.Module(statements, []), f"<cell {count}>", "exec"), names)  # noqa: S102
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"<cell {count}>", "eval"), names)  # noqa: S307
    found: list[Cell] = []
    if text := printed.getvalue():
        found.append({"output_type": "stream", "name": "stdout", "text": lines(text)})
    if value is not None:
        head = {"output_type": "execute_result", "execution_count": count, "metadata": {}}
        found.append({**head, "data": shown(value)})
    return found


def shown(value: Any) -> dict[str, Any]:
    """A value by media type."""
    found: dict[str, Any] = {"text/plain": lines(repr(value))}
    html, png = (getattr(value, name, lambda: None)() for name in ("_repr_html_", "_repr_png_"))
    if html is not None:
        found["text/html"] = lines(html)
    if png is not None:
        found["image/png"] = b64encode(png).decode()
    return found


def lines(text: str) -> list[str]:
    """A text as notebooks store it."""
    return text.splitlines(keepends=True)


def executed(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The notebook with what its cells show now."""
    names: dict[str, Any] = {"__name__": "__main__"}
    cells, count = [], 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            count += 1
            made = outputs_of("".join(cell["source"]), names, count)
            cell = {**cell, "execution_count": count, "outputs": made}
        cells.append(cell)
    return {**notebook, "cells": cells}


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", type=Path)
    file = parser.parse_args().notebook.resolve()
    before = Path.cwd()
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        found = executed(json.loads(file.read_text(encoding="utf-8")))
        os.chdir(before)
    text = json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True)  # as ruff writes it
    file.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
