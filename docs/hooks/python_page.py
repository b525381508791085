"""The reference of the Python API: every name of ``p5rec.__all__``."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from prose import Doc, parsed, sentence, table

import p5rec
from p5rec.api.estimators import Estimator

PAGE = "reference/python.md"
INTRO = """# Python API

Import every name below from `p5rec`. [Use p5rec from Python](../how-to/python.md) is the guide.
Frames are polars or pandas; ids are those of your data. Input errors are `p5rec.UserError`.
"""
WIDTH = 78  # characters of a code block
SECTIONS = {"Args": "argument", "Attributes": "attribute", "Raises": "raises"}


def sources() -> Mapping[str, str]:
    """Path in the repository → page made from it."""
    return {"p5rec/__init__.py": PAGE}


def pages() -> Mapping[str, str]:
    """Path below ``docs/`` → page."""
    methods = [name for name in p5rec.__all__ if _is_estimator(getattr(p5rec, name))]
    first = ["Dataset", "Estimator", "Model", "load", "evaluate", "Evaluation", "compare"]
    others = [name for name in p5rec.__all__ if name not in (*first, *methods)]
    text = [INTRO]
    for name in [*first, *others]:
        text += _object(name, getattr(p5rec, name))
    text += [_classes(methods)]
    return {PAGE: "\n".join(text)}


def _is_estimator(target: Any) -> bool:
    return isinstance(target, type) and issubclass(target, Estimator) and target is not Estimator


def _object(name: str, target: Any) -> Iterator[str]:
    """A class with its public members, or a function."""
    target = getattr(target, "_function", target)  # a callable package
    yield f"## `{name}`\n"
    if not isinstance(target, type):
        yield from _callable(f"p5rec.{name}", target)
        return
    yield _markdown(parsed(target.__doc__))
    if not issubclass(target, Exception):
        for member in _members(target):
            yield from _member(name, member, inspect.getattr_static(target, member))


def _members(cls: type) -> list[str]:
    """The public names of ``cls`` and its bases in p5rec, in the order of the source."""
    bases = [base for base in cls.__mro__ if base.__module__.startswith("p5rec")]
    names = dict.fromkeys(name for base in bases for name in vars(base))
    return ["__init__"] * ("__init__" in names and cls is Estimator) + [
        name
        for name in names
        if not name.startswith("_") and _documented(inspect.getattr_static(cls, name))
    ]


def _documented(member: Any) -> bool:
    if isinstance(member, classmethod | staticmethod):
        member = member.__func__
    return bool(
        isinstance(member, property) or inspect.isfunction(member) or hasattr(member, "func")
    ) and bool(getattr(member, "__doc__", None))


def _member(owner: str, name: str, member: Any) -> Iterator[str]:
    title = owner if name == "__init__" else f"{owner}.{name}"
    anchor = f"{owner}.{name.strip('_')}".lower().replace(".", "-")
    yield f"### `{title}` {{ #{anchor} }}\n"
    if isinstance(member, classmethod | staticmethod):
        member = member.__func__
    if inspect.isfunction(member):
        yield from _callable(title, member)
    else:
        yield _markdown(parsed(member.__doc__))


def _callable(name: str, target: Any) -> Iterator[str]:
    yield f"```python\n{_signature(name, target)}\n```\n"
    yield _markdown(parsed(target.__doc__))


def _signature(name: str, target: Any) -> str:
    """``name(a, b=1)``; one line per parameter if it is longer than a line."""
    signature = inspect.signature(target)
    params, starred = [], False
    for param in signature.parameters.values():
        if param.name in ("self", "cls"):
            continue
        if param.kind is param.KEYWORD_ONLY and not starred:
            params.append("*")
        starred = starred or param.kind in (param.KEYWORD_ONLY, param.VAR_POSITIONAL)
        params.append(_parameter(param))
    back = signature.return_annotation
    end = ")" if back is signature.empty else f") -> {_named(back)}"
    flat = f"{name}({', '.join(params)}{end}"
    if len(flat) <= WIDTH:
        return flat
    return "\n".join([f"{name}(", *(f"    {each}," for each in params), end])


def _parameter(param: inspect.Parameter) -> str:
    stars = {param.VAR_POSITIONAL: "*", param.VAR_KEYWORD: "**"}.get(param.kind, "")
    typed = "" if param.annotation is param.empty else f": {_named(param.annotation)}"
    default = "" if param.default is param.empty else f" = {param.default!r}"
    return f"{stars}{param.name}{typed}{default}"


def _named(annotation: Any) -> str:
    """An annotation as in the source."""
    return (
        annotation
        if isinstance(annotation, str)
        else getattr(annotation, "__name__", str(annotation))
    )


def _markdown(doc: Doc) -> str:
    """A docstring as Markdown."""
    out = [doc.text + "\n"]
    for title, entries in doc.sections.items():
        named = [[f"`{name}`", sentence(text)] for name, text in entries if name]
        if title in SECTIONS and named:
            out.append(table([SECTIONS[title], "meaning"], named))
        else:
            words = " ".join(f"{name}: {text}" if name else text for name, text in entries)
            out.append(f"**{title}:** {words}\n")
    return "\n".join(out)


def _classes(names: list[str]) -> str:
    """The table of the methods' classes, one for each kind and each preset."""
    rows = []
    for name in names:
        preset = getattr(p5rec, name).preset
        page = "generative.md" if preset.kind == "generative" else f"methods.md#{preset.kind}"
        rows.append([f"`{name}`", f"[`{preset.kind}`](config/{page})"])
    return (
        "## Methods\n\nEach class is an [`Estimator`](#estimator). Its keywords are the keys of "
        "its section under `methods`; the linked page explains them.\n\n"
        + table(["class", "keys"], rows)
    )
