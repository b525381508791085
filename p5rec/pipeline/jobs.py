"""The stages of a run as jobs, each of which one process can do once those before it are done.

A job makes stages of the store and hands nothing over: whoever asks for them afterwards, in any
process, finds them there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeVar

from p5rec.core.artefacts import Artefact
from p5rec.methods.base import LISTS, Method
from p5rec.methods.fitted import Fitted
from p5rec.methods.registry import methods_of
from p5rec.methods.views import view_methods

from .answers import ask_fitted
from .fitting import Among, fit_method, fit_part, fit_point
from .ids import build_ids
from .prepared import Prepared

T = TypeVar("T")


@dataclass(frozen=True, order=True)
class Job:
    """What one process does at a time.

    Attributes:
        kind: semantic ids of a ``name``; of a method of that name the trial of a point of its grid,
            the fit of a part, its own fit, or its answers.
        name: of ids or of a method.
        nth: which of the seeds.
        detail: the number of the point, the name of the part, or the held-out part of the data.
    """

    kind: Literal["ids", "trial", "part", "fit", "answers"]
    name: str
    nth: int = 0
    detail: str = ""

    def __str__(self) -> str:
        seed = f", seed {self.nth}" if self.nth else ""
        return f"{self.kind} {self.name} {self.detail}".strip() + seed


@dataclass(frozen=True)
class Work:
    """How the jobs of a recipe are done.

    Attributes:
        cfg: the recipe's config, with ``ids``, ``methods``, ``baselines``, ``evaluate``.
        prepared: its data.
    """

    cfg: Any
    prepared: Prepared

    @cached_property
    def methods(self) -> dict[str, Method]:
        """Of the recipe, by name."""
        return methods_of(self.cfg)

    @cached_property
    def views(self) -> Mapping[str, Mapping[str, Method]]:
        """Methods whose item vectors ids are made of, by name of the ids and by view."""
        return view_methods(self.cfg.ids, self.cfg.methods)

    def do(self, job: Job) -> None:
        """Makes the stages of ``job``, or finds them; what it needs is found without a word."""
        loud, name, nth = self.prepared, job.name, job.nth
        match job.kind:
            case "ids":
                self._ids(name, nth, loud)
            case "trial":
                method = self.methods[name]
                fit_point(method, self._quiet, self._among(method, 0), int(job.detail))
            case "part":
                method = self.methods[name]
                fit_part(method, loud, self._among(method, nth), nth, job.detail)
            case "fit":
                self._fit(name, nth, loud)
            case "answers":
                self._ask(name, nth, job.detail)

    @property
    def _quiet(self) -> Prepared:
        return replace(self.prepared, store=self.prepared.store.quiet())

    def _ids(self, name: str, nth: int, prepared: Prepared) -> Artefact:
        (found,) = build_ids(self.cfg.ids[name], self.views[name], prepared, first=nth)
        return found

    def _fit(self, name: str, nth: int, prepared: Prepared) -> Fitted:
        method = self.methods[name]
        (found,) = fit_method(method, prepared, self._among(method, nth), first=nth)
        return found

    def _ask(self, name: str, nth: int, held_out: Any) -> None:
        fitted, first = self._fit(name, nth, self._quiet), self._fit(name, 0, self._quiet)
        serving = self.cfg.evaluate.serving(first.method, self.cfg.seed, first.seed)
        if LISTS in first.method.capabilities or serving.about(held_out).questions:
            ask_fitted(fitted, serving, self.prepared, held_out)

    def _among(self, method: Method, nth: int) -> Among:
        """What ``method`` may need under the seed ``nth``, found when it is asked for."""
        seeds = [0] + [nth] * nth if len(method.points()) > 1 else [nth]
        return Among(
            _Asked(self.cfg.ids, lambda name: [self._ids(name, n, self._quiet) for n in seeds]),
            _Asked(self.methods, lambda name: [self._fit(name, n, self._quiet) for n in seeds]),
        )


class _Asked(Mapping[str, Sequence[T]]):
    """Values that are made when they are asked for."""

    def __init__(self, names: Mapping[str, Any], make: Callable[[str], Sequence[T]]) -> None:
        self.names, self.make = names, make

    def __getitem__(self, name: str) -> Sequence[T]:
        return self.make(name)

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)
