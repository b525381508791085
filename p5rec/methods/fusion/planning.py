"""What fitting a fusion takes: what its parts take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from p5rec.core.types import Corpus

from ..base import Method
from ..plans import Planned, PlanContext


@dataclass(frozen=True)
class FusionPlan:
    """The plans of the parts.

    Attributes:
        own: plans of the parts that are fitted for the fusion alone, by name.
        shared: part → the method of the recipe whose fit it shares.
    """

    own: Mapping[str, Planned]
    shared: Mapping[str, str]

    def dump(self) -> dict[str, Any]:
        """As plain data."""
        own = {name: plan.dump() for name, plan in self.own.items()}
        return {"parts": own, "shared": dict(self.shared)}

    def lines(self) -> list[str]:
        """In words."""
        found = [
            f"  {component}: shared with {method}" for component, method in self.shared.items()
        ]
        for name, plan in self.own.items():
            first, *others = plan.lines()
            found += [f"  {name}: {first.strip()}", *others]
        return found


def plan(components: Mapping[str, Method], corpus: Corpus, among: PlanContext) -> FusionPlan:
    """What fitting ``parts`` takes.

    Args:
        parts: by name.
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
    return FusionPlan({name: plan for name, plan in plans.items() if plan is not None}, shared)


def _key(method: Method) -> tuple[Any, ...]:
    """What methods of one fit have in common."""
    return method.fit_settings(), method.tune, method.semantic_ids, method.starts_from
