"""Runs the cells of a notebook and stores their outputs in it, without Jupyter.

python scripts/run_notebook.py docs/tutorials/tour.ipynb

Cells run in order in one namespace and in an empty folder. The output of a cell is its printed text
and the value of its last line, in every format that the value supports: text, HTML, image.
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
    """The outputs of a cell in the notebook format.

    Args:
        source: the code of the cell.
        names: the namespace, which the cell changes.
        count: the number of the code cell.
    """
    statements = ast.parse(source).body
    last = statements.pop() if statements and isinstance(statements[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with redirect_stdout(printed), redirect_stderr(io.StringIO()):
        exec(compile(ast.Module(statements, []), f"<cell {count}>", "exec"), names)  # noqa: S102
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), f"<cell {count}>", "eval"), names)  # noqa: S307
    results: list[Cell] = []
    if text := printed.getvalue():
        results.append({"output_type": "stream", "name": "stdout", "text": lines(text)})
    if value is not None:
        head = {"output_type": "execute_result", "execution_count": count, "metadata": {}}
        results.append({**head, "data": media(value)})
    return results


def media(value: Any) -> dict[str, Any]:
    """A value by media type."""
    results: dict[str, Any] = {"text/plain": lines(repr(value))}
    html, png = (getattr(value, name, lambda: None)() for name in ("_repr_html_", "_repr_png_"))
    if html is not None:
        results["text/html"] = lines(html)
    if png is not None:
        results["image/png"] = b64encode(png).decode()
    return results


def lines(text: str) -> list[str]:
    """The lines of a text in the notebook format."""
    return text.splitlines(keepends=True)


def executed(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """The notebook with new outputs."""
    names: dict[str, Any] = {"__name__": "__main__"}
    cells, count = [], 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            count += 1
            outputs = outputs_of("".join(cell["source"]), names, count)
            cell = {**cell, "execution_count": count, "outputs": outputs}
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
        results = executed(json.loads(file.read_text(encoding="utf-8")))
        os.chdir(before)
    text = json.dumps(results, indent=1, ensure_ascii=False, sort_keys=True)  # as ruff writes it
    file.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
