"""The stages of a run as jobs, each of which one process can run once its dependencies are done.

A job computes stages of the store and returns nothing: every process reads its results from the
store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from p5rec.core.artefacts import Artefact
from p5rec.methods.base import LISTS, Method
from p5rec.methods.fitted import Fitted
from p5rec.methods.registry import methods_of
from p5rec.methods.views import view_methods

from .fitting import fit_component, fit_method, fit_point
from .ids import build_ids
from .lazy import Lazy
from .method_runs import RunContext
from .predictions import predict_fitted
from .prepared import Prepared
from .vectors import build_texts, build_vectors, stored_context


@dataclass(frozen=True, order=True)
class Job:
    """A unit of work for one process.

    Attributes:
        kind: ``ids``: build semantic ids. ``texts``: write texts. ``vectors``: store vectors.
            ``trial``: evaluate a point of a method's grid.
            ``component``: fit a component of a method. ``fit``: fit a method. ``predictions``:
            compute its predictions.
        name: of the ids, the texts, the vectors or the method.
        nth: the number of the seed.
        detail: the number of the grid point, the name of the component, or the held-out split.
    """

    kind: Literal["ids", "texts", "vectors", "trial", "component", "fit", "predictions"]
    name: str
    nth: int = 0
    detail: str = ""

    def __str__(self) -> str:
        seed = f", seed {self.nth}" if self.nth else ""
        return f"{self.kind} {self.name} {self.detail}".strip() + seed


@dataclass(frozen=True)
class JobRunner:
    """Runs the jobs of a recipe.

    Attributes:
        cfg: the recipe's config, with ``ids``, ``methods``, ``baselines``, ``evaluate``.
        prepared: its data.
    """

    cfg: Any
    prepared: Prepared

    @cached_property
    def methods(self) -> dict[str, Method]:
        """The methods of the recipe, by name."""
        return methods_of(self.cfg)

    @cached_property
    def views(self) -> Mapping[str, Mapping[str, Method]]:
        """The methods whose item vectors the ids use, by name of the ids and by view."""
        return view_methods(self.cfg.ids, self.cfg.methods)

    def run(self, job: Job) -> None:
        """Computes the stages of ``job`` that are not cached; its inputs get no log lines."""
        name, nth = job.name, job.nth
        match job.kind:
            case "ids":
                self._ids(name, nth, self.prepared)
            case "texts":
                texts = self.cfg.texts[name]
                written = stored_context(self.cfg, self._quiet).texts
                notes = None if texts.prompts.notes is None else written[texts.prompts.notes]
                build_texts(name, texts, notes, self.prepared)
            case "vectors":
                config = self.cfg.vectors[name]
                texts = stored_context(self.cfg, self._quiet).texts
                build_vectors(name, config, texts, self.prepared, nth)
            case "trial":
                method = self.methods[name]
                fit_point(method, self._quiet, self._context(method, 0), int(job.detail))
            case "component":
                method = self.methods[name]
                fit_component(
                    method, self.prepared, self._context(method, nth), nth, name, job.detail
                )
            case "fit":
                self._fit(name, nth, self.prepared)
            case "predictions":
                self._predict(name, nth, job.detail)

    @property
    def _quiet(self) -> Prepared:
        return replace(self.prepared, store=self.prepared.store.quiet())

    def _ids(self, name: str, nth: int, prepared: Prepared) -> Artefact:
        (ids,) = build_ids(self.cfg.ids[name], self.views[name], prepared, first=nth)
        return ids

    def _fit(self, name: str, nth: int, prepared: Prepared) -> Fitted:
        method = self.methods[name]
        (fitted,) = fit_method(method, prepared, self._context(method, nth), first=nth, name=name)
        return fitted

    def _predict(self, name: str, nth: int, split_name: str) -> None:
        fitted, first = self._fit(name, nth, self._quiet), self._fit(name, 0, self._quiet)
        serving = self.cfg.evaluate.serving(first.method, self.cfg.seed, first.seed)
        own = self.cfg.evaluate.serving_on(split_name, name, serving)
        if own is None:
            return
        if own.prompts or (own.lists and LISTS in first.method.capabilities):
            predict_fitted(fitted, own, self.prepared, split_name)

    def _context(self, method: Method, nth: int) -> RunContext:
        """The results that ``method`` may need under the seed ``nth``, computed on access."""
        seeds = [0] + [nth] * nth if len(method.points()) > 1 else [nth]
        return replace(
            stored_context(self.cfg, self._quiet, seeds),
            ids=Lazy(self.cfg.ids, lambda name: [self._ids(name, n, self._quiet) for n in seeds]),
            methods=Lazy(
                self.methods, lambda name: [self._fit(name, n, self._quiet) for n in seeds]
            ),
        )
