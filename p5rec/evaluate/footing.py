"""Methods on one footing: what each learned from, what an answer costs, what more data is worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from p5rec.methods.base import TRAINING, Method

from .blocks import Block
from .schema import Method as Entry

COLUMNS = ("learned from", "tokens", "s an answer")
TOKENS = "tokens_per_question"
LEARNED = ("learned", "users", "whole")  # facts about a method that its entries keep

Curve = dict[float, Entry]  # share of the users → the entry


def learned_facts(name: str, methods: Mapping[str, Method]) -> dict[str, Any]:
    """Those of ``LEARNED`` that hold for a method of a recipe.

    Args:
        methods: the recipe's, by name.
    """
    facts = {"learned": methods[name].learned}
    if all(method.share == 1 for method in methods.values()):
        return facts
    return facts | {"users": methods[name].share, "whole": whole(name, methods)}


def whole(name: str, methods: Mapping[str, Method]) -> str:
    """The method that differs from ``name`` in nothing but that it learns from all users.

    Args:
        methods: those of a recipe.
    """
    same = methods[name].of_all_users()
    return next((other for other, found in methods.items() if found == same), name)


def columns(block: Block) -> tuple[str, ...]:
    """Those of ``COLUMNS`` that tell its methods apart."""
    if all(TOKENS not in method.beside for method in block.methods):
        return ()
    alike = len({_learned(method) for method in block.methods}) == 1
    return COLUMNS[1:] if alike else COLUMNS


def footing(method: Entry, names: Iterable[str]) -> list[str | float | None]:
    """The method's entries under those of ``COLUMNS`` that are named (:func:`columns`)."""
    spent = method.infer_seconds / method.n if method.n else None
    entries = dict(zip(COLUMNS, (_learned(method), method.beside.get(TOKENS), spent), strict=True))
    return [entries[name] for name in names]


def curves(block: Block) -> dict[str, Curve]:
    """Those of its methods that were trained on several shares, by the name of the whole one."""
    found: dict[str, Curve] = {}
    for method in block.methods:
        if "whole" in method.about:
            _, gap, reading = method.name.partition(" ")
            curve = found.setdefault(method.about["whole"] + gap + reading, {})
            curve[method.about["users"]] = method
    return {name: dict(sorted(curve.items())) for name, curve in found.items() if len(curve) > 1}


def _learned(method: Entry) -> str:
    return str(method.about.get("learned", TRAINING))
