"""Each method's training data, cost of a prediction, and metrics by share of the users."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from p5rec.methods.base import TRAINING, Method

from .blocks import Block
from .measured import REQUESTS, TOKENS
from .schema import Method as Entry

COLUMNS = ("trained on", "requests/prediction", "tokens/prompt", "s/prediction")
FACTS = ("trained_on", "user_share", "full_data_method")  # facts about a method's training data

Curve = dict[float, Entry]  # share of the users → the entry


def training_facts(name: str, methods: Mapping[str, Method]) -> dict[str, Any]:
    """The training data of a recipe's method, by the names in ``FACTS``.

    Args:
        methods: the recipe's methods by name.
    """
    facts = {"trained_on": methods[name].trained_on}
    if all(method.share == 1 for method in methods.values()):
        return facts
    return facts | {
        "user_share": methods[name].share,
        "full_data_method": full_data_method(name, methods),
    }


def full_data_method(name: str, methods: Mapping[str, Method]) -> str:
    """The method with the config of ``name`` that is trained on all users; ``name`` if none is.

    Args:
        name: the method.
        methods: the recipe's methods by name.
    """
    same = methods[name].of_all_users()
    return next((other for other, method in methods.items() if method == same), name)


def cost_columns(block: Block) -> tuple[str, ...]:
    """The ``COLUMNS`` in which the block's methods differ; empty without token counts."""
    if all(TOKENS not in method.other_metrics for method in block.methods):
        return ()
    alike = len({_trained_on(method) for method in block.methods}) == 1
    counted = any(REQUESTS in method.other_metrics for method in block.methods)
    shown = dict(zip(COLUMNS, (not alike, counted, True, True), strict=True))
    return tuple(column for column in COLUMNS if shown[column])


def costs(method: Entry, names: Iterable[str]) -> list[str | float | None]:
    """The method's values in the named ``COLUMNS`` (:func:`cost_columns`)."""
    spent = method.infer_seconds / method.n if method.n else None
    counts = (method.other_metrics.get(name) for name in (REQUESTS, TOKENS))
    values = (_trained_on(method), *counts, spent)
    return [dict(zip(COLUMNS, values, strict=True))[name] for name in names]


def learning_curves(block: Block) -> dict[str, Curve]:
    """The methods trained on several shares of the users, by the name of the full-data method."""
    curves: dict[str, Curve] = {}
    for method in block.methods:
        if "full_data_method" in method.about:
            _, gap, estimator = method.name.partition(" ")
            curve = curves.setdefault(method.about["full_data_method"] + gap + estimator, {})
            curve[method.about["user_share"]] = method
    return {name: dict(sorted(curve.items())) for name, curve in curves.items() if len(curve) > 1}


def _trained_on(method: Entry) -> str:
    return str(method.about.get("trained_on", TRAINING))
