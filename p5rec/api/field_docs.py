"""The docstrings of a config's fields, for the help text of estimators."""

from __future__ import annotations

import ast
from inspect import cleandoc, getsource
from itertools import pairwise
from textwrap import dedent, fill

from p5rec.core.config import Config

WIDTH, INDENT = 88, "    "


def field_docs(schema: type[Config]) -> dict[str, str]:
    """Field → its docstring, for the documented fields of a config and of its bases."""
    docs: dict[str, str] = {}
    for cls in reversed(schema.__mro__):
        if not issubclass(cls, Config) or cls is Config:
            continue
        (definition,) = ast.parse(dedent(getsource(cls))).body
        assert isinstance(definition, ast.ClassDef)
        for field, after in pairwise(definition.body):
            if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
                continue
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                docs[field.target.id] = cleandoc(str(after.value.value))
    return docs


def settings_help(schema: type[Config]) -> str:
    """The documented fields of a config as a section of a docstring; empty if there are none."""
    docs = {name: " ".join(text.split()) for name, text in field_docs(schema).items()}
    lines = [
        fill(f"{name}: {text}", WIDTH, initial_indent=INDENT, subsequent_indent=2 * INDENT)
        for name, text in docs.items()
        if name in schema.model_fields and name != "kind"
    ]
    return "\n".join(["Settings:", *lines]) if lines else ""
