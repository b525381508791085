"""Runs Python code blocks of the documentation, statement by statement."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def code_block(page: str, nth: int = 0) -> str:
    """The ``nth`` Python code block of a page, by its path in the repository."""
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.S)[nth]


def run_code(code: str, names: dict[str, Any]) -> list[Any]:
    """Runs ``code`` in the namespace ``names``.

    Returns:
        The values of its expressions, in order, without None.
    """
    values = []
    for statement in ast.parse(code).body:
        if isinstance(statement, ast.Expr):
            expression = compile(ast.Expression(statement.value), "<documented>", "eval")
            values.append(eval(expression, names))  # noqa: S307
        else:
            exec(compile(ast.Module([statement], []), "<documented>", "exec"), names)  # noqa: S102
    return [value for value in values if value is not None]
