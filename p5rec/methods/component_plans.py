"""The cost of fitting a method that is made of other methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from p5rec.core.types import Corpus

from .base import Method
from .plans import PlanContext, Planned


@dataclass(frozen=True)
class ComponentPlans:
    """The plans of the components.

    Attributes:
        own: plans of the components that are fitted for this method alone, by name.
        shared: component → the method of the recipe whose fit it shares.
    """

    own: Mapping[str, Planned]
    shared: Mapping[str, str]

    def dump(self) -> dict[str, Any]:
        """As plain data."""
        own = {name: plan.dump() for name, plan in self.own.items()}
        return {"components": own, "shared": dict(self.shared)}

    def lines(self) -> list[str]:
        """As lines of text."""
        lines = [
            f"  {component}: shared with {method}" for component, method in self.shared.items()
        ]
        for name, plan in self.own.items():
            own = plan.lines()
            if len(own) == 1:
                lines.append(f"  {name}: {own[0].strip()}")
            else:
                lines += [f"  {name}", *(f"  {line}" for line in own)]
        return lines


def plan_components(
    components: Mapping[str, Method], corpus: Corpus, among: PlanContext
) -> ComponentPlans:
    """The cost of fitting ``components``.

    Args:
        components: by name.
        corpus: the data.
        among: the recipe's ids and methods.
    """
    keys = {name: _key(method) for name, method in among.methods.items()}
    shared = {
        name: next(other for other, key in keys.items() if key == _key(component))
        for name, component in components.items()
        if _key(component) in keys.values()
    }
    plans = {
        name: component.plan(corpus, among)
        for name, component in components.items()
        if name not in shared
    }
    return ComponentPlans({name: plan for name, plan in plans.items() if plan is not None}, shared)


def _key(method: Method) -> tuple[Any, ...]:
    """Equal for methods that share a fit."""
    return method.fit_settings(), method.tune, method.semantic_ids, method.starts_from
