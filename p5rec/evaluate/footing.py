"""Zero-shot, few-shot, fine-tuned on one footing: what was learned from, what an answer costs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .blocks import ABSENT, Block
from .schema import Method

TRAINING = "the training events"
COLUMNS = ("learned from", "tokens", "s an answer")
TOKENS = "tokens_per_question"


def learned_from(method: Any) -> str:
    """What a method of a recipe knows of its tasks, in words."""
    if not method.train.steps:
        return {0: "nothing", 1: "1 example"}.get(n := method.prompts.shots, f"{n} examples")
    whole = method.train.users == 1
    return TRAINING if whole else f"those of {method.train.users:.3g} of the users"


def columns(block: Block) -> tuple[str, ...]:
    """Those of ``COLUMNS`` that tell its methods apart."""
    if all(TOKENS not in method.beside for method in block.methods):
        return ()
    alike = len({_learned(method) for method in block.methods}) == 1
    return COLUMNS[1:] if alike else COLUMNS


def footing(method: Method, names: Iterable[str]) -> list[str | float | None]:
    """The method's entries under those of ``COLUMNS`` that are named (:func:`columns`)."""
    spent = method.infer_seconds / method.n if method.n else None
    entries = dict(zip(COLUMNS, (_learned(method), method.beside.get(TOKENS), spent), strict=True))
    return [entries[name] for name in names]


def _learned(method: Method) -> str:
    return str(method.about.get("learned", TRAINING))


def shown(value: str | float | None) -> str:
    """An entry in words."""
    if value is None:
        return ABSENT
    return value if isinstance(value, str) else f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
