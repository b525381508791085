"""The jobs of a run, their dependencies and their priorities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from p5rec.backbones.vectors_config import StoredVectorsConfig
from p5rec.core.artefacts import digest
from p5rec.methods.base import Method
from p5rec.methods.checks import in_order
from p5rec.methods.needs import (
    Codes,
    Component,
    ContentArtefact,
    DerivedArtefact,
    Model,
    Need,
    Texts,
    Vectors,
    needed_names,
)
from p5rec.recommend.writing.config import with_notes

from .jobs import Job, JobRunner

LANGUAGE_MODEL, TRAINED, OTHER = 8, 4, 1  # rough costs of jobs, relative to each other


@dataclass
class JobGraph:
    """The dependency graph of a run's jobs.

    The jobs of the first methods have priority. Among the others, the job that starts the chain of
    jobs with the highest cost comes first.

    Attributes:
        runner: runs the jobs.
        dependencies: job → the jobs that it waits for; a job stands after its dependencies.
        costs: job → its relative cost.
        producers: fit → the first job that computes it; other jobs with that fit wait for it.
    """

    runner: JobRunner
    dependencies: dict[Job, set[Job]] = field(default_factory=dict)
    costs: dict[Job, int] = field(default_factory=dict)
    producers: dict[str, Job] = field(default_factory=dict)

    @classmethod
    def of(cls, runner: JobRunner) -> JobGraph:
        """The jobs of the recipe of ``runner``."""
        graph = cls(runner)
        used = {method.semantic_ids for method in runner.methods.values()}
        for name in runner.cfg.ids:
            if name in used:
                for nth in range(runner.cfg.repeats):
                    graph._add_ids(name, nth)
        graph._add_stored()
        for name in in_order(runner.methods):
            graph._add_method(name)
        return graph

    @cached_property
    def first(self) -> list[str]:
        """The methods of the first table: those without training, and the first compared pair.
        Methods whose fits these need are included. Empty where that is every method."""
        methods, pairs = self.runner.methods, self.runner.cfg.evaluate.compare
        if not pairs:
            return []
        chosen = {name for name, method in methods.items() if not method.stochastic} | {*pairs[0]}
        needed = self._with_dependencies(job for job in self.dependencies if job.name in chosen)
        first = [
            name for name in in_order(methods)
            if {job for job in self.dependencies if (job.kind, job.name) == ("fit", name)} <= needed
        ]  # fmt: skip
        return first if len(first) < len(methods) else []

    @cached_property
    def priority(self) -> dict[Job, tuple[bool, int]]:
        """Job → its priority; of the jobs that can run, the one with the lowest value is next."""
        needed = self._with_dependencies(job for job in self.dependencies if job.name in self.first)
        chain = dict(self.costs)
        for job in reversed(self.dependencies):
            for earlier in self.dependencies[job]:
                chain[earlier] = max(chain[earlier], self.costs[earlier] + chain[job])
        return {job: (job not in needed, -chain[job]) for job in self.dependencies}

    def finished_methods(self, done: Iterable[Job]) -> set[str]:
        """The methods whose jobs are all ``done``."""
        return {*self.runner.methods} - {job.name for job in self.dependencies.keys() - {*done}}

    def _with_dependencies(self, jobs: Iterable[Job]) -> set[Job]:
        """``jobs``, except those that build ids, and all jobs that they wait for."""
        reached: set[Job] = set()
        waiting = [job for job in jobs if job.kind != "ids"]
        while waiting:
            job = waiting.pop()
            if job not in reached:
                reached.add(job)
                waiting += self.dependencies[job]
        return reached

    def _add(self, job: Job, dependencies: Iterable[Job], cost: int, *fits: str) -> None:
        """Adds a job that computes ``fits``, after other jobs that compute one of them."""
        producers = {self.producers.setdefault(fit, job) for fit in fits}
        self.dependencies[job] = ({*dependencies} | producers) - {job}
        self.costs[job] = cost

    def _add_ids(self, name: str, nth: int) -> None:
        views = self.runner.views[name].values()
        points = [point for view in views for point in view.points()]
        fits = {_fit_key(point, seed) for point in points for seed in {0, nth}}
        encoder = self.runner.cfg.ids[name].vectors.text
        metadata = StoredVectorsConfig(metadata="items", encoder=encoder or "")
        texts = [_encoding(metadata)] if encoder else []
        cost = max([TRAINED, *map(_cost, points)])
        self._add(Job("ids", name, nth), (), cost, *sorted(fits), *texts)

    def _add_stored(self) -> None:
        """The jobs of the texts and vectors that the methods need."""
        cfg, methods = self.runner.cfg, self.runner.methods.values()
        texts, vectors = (
            {
                name
                for method in methods
                for point in method.points()
                for name in needed_names(self._needs(point, 0), kind, self._seed(point, 0))
            }
            for kind in (Texts, Vectors)
        )
        named = sorted(texts | {cfg.vectors[n].texts for n in vectors} - {None})
        for name in dict.fromkeys(each for n in named for each in with_notes(n, cfg.texts)):
            notes = cfg.texts[name].prompts.notes
            before = [] if notes is None else [Job("texts", notes)]
            self._add(Job("texts", name), before, LANGUAGE_MODEL)
        for name in sorted(vectors):
            config = cfg.vectors[name]
            written = [Job("texts", config.texts)] if config.texts else []
            for nth in range(self.runner.cfg.repeats if config.permuted else 1):
                self._add(Job("vectors", name, nth), written, TRAINED, _encoding(config))

    def _add_method(self, name: str) -> None:
        method, evaluate = self.runner.methods[name], self.runner.cfg.evaluate
        points, trials = method.points(), list(self._add_trials(name))
        for nth in range(self.runner.cfg.repeats) if method.stochastic else (0,):
            fit, dependencies = Job("fit", name, nth), {*trials}
            for point in points:
                dependencies |= self._needed(point, nth)
            if not trials:
                dependencies |= {*self._add_components(name, nth)}
            tried = bool(trials) and not nth  # the trials fitted it
            fits = [] if tried else [_fit_key(point, nth) for point in points]
            self._add(fit, dependencies, OTHER if tried else _cost(method), *fits)
            for split_name in evaluate.every_split:
                predictions = Job("predictions", name, nth, split_name)
                self._add(predictions, {fit, Job("fit", name, 0)}, OTHER)

    def _add_trials(self, name: str) -> Iterator[Job]:
        """The jobs that evaluate the points of a method's grid; none for a single point."""
        points = self.runner.methods[name].points()
        for n, point in enumerate(points) if len(points) > 1 else ():
            trial = Job("trial", name, 0, str(n))
            self._add(trial, self._needed(point, 0), _cost(point), f"trial {_fit_key(point, 0)}")
            yield trial

    def _add_components(self, name: str, nth: int) -> Iterator[Job]:
        """The jobs that fit the components of a method, those of other methods included."""
        method = self.runner.methods[name]
        for need_name, need in method.needs(self._seed(method, nth)).items():
            if isinstance(need, Component):
                fit = _fit_key(need.method, nth)
                if fit not in self.producers:
                    job = Job("component", name, nth, need_name)
                    self._add(job, self._needed(need.method, nth), _cost(need.method), fit)
                yield self.producers[fit]

    def _needed(self, method: Method, nth: int) -> set[Job]:
        """The jobs that compute the ids and models that ``method`` reads."""
        return self._producers_of(self._needs(method, nth), nth)

    def _needs(self, method: Method, nth: int) -> dict[str, Need]:
        seed = self._seed(method, nth)
        return {**method.needs(seed), **method.query_needs(seed)}

    def _producers_of(self, needs: Mapping[str, Need], nth: int) -> set[Job]:
        jobs: set[Job] = set()
        for need in needs.values():
            match need:
                case Codes(name):
                    jobs.add(Job("ids", name, nth))
                case Texts(name):
                    jobs.add(Job("texts", name))
                case Vectors(name):
                    permuted = self.runner.cfg.vectors[name].permuted
                    jobs.add(Job("vectors", name, nth if permuted else 0))
                case Model(name) if (start := self.runner.methods.get(name)) is not None:
                    jobs.add(Job("fit", name, nth if start.stochastic else 0))
                case Component(_, method):
                    jobs |= self._needed(method, nth)
                case DerivedArtefact():
                    jobs |= self._producers_of(need.needs, nth)
                case ContentArtefact():
                    jobs |= self._producers_of(need.upstream, nth)
        return jobs

    def _seed(self, method: Method, nth: int) -> int:
        return method.first_seed(self.runner.prepared.corpus.split.seed) + nth


def _cost(method: Method) -> int:
    return LANGUAGE_MODEL if method.collective else TRAINED if method.stochastic else OTHER


def _encoding(config: StoredVectorsConfig) -> str:
    """The key of the vectors before a permutation."""
    return f"vectors {digest(config.encoding())}"


def _fit_key(method: Method, nth: int) -> str:
    """The key of a fit; methods that share a fit have the same key."""
    inputs = [method.semantic_ids, method.starts_from, method.permute_histories]
    return digest([method.fit_settings(), *inputs, nth if method.stochastic else 0])
