"""Which jobs a run has, what each waits for, and which come first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from p5rec.core.artefacts import digest
from p5rec.methods.base import Method
from p5rec.methods.checks import in_order
from p5rec.methods.needs import Codes, Made, Model, Need, Part

from .jobs import Job, Work

LANGUAGE_MODEL, TRAINED, OTHER = 8, 4, 1  # how long a job takes beside others, roughly


@dataclass
class Plan:
    """The jobs of a run.

    What comes first: all that leads to the table of the methods that nothing is trained for, and of
    those that the recipe compares first; then whatever the longest chain of jobs waits for.

    Attributes:
        work: how they are done.
        before: job → the jobs that it waits for, which stand before it.
        takes: job → how long it takes beside others.
        makers: fit → the first job that makes it; two at once would wait for each other.
    """

    work: Work
    before: dict[Job, set[Job]] = field(default_factory=dict)
    takes: dict[Job, int] = field(default_factory=dict)
    makers: dict[str, Job] = field(default_factory=dict)

    @classmethod
    def of(cls, work: Work) -> Plan:
        """The jobs of ``work``."""
        plan = cls(work)
        named = {method.semantic_ids for method in work.methods.values()}
        for name in work.cfg.ids:
            if name in named:
                for nth in range(work.cfg.repeats):
                    plan._add_ids(name, nth)
        for name in in_order(work.methods):
            plan._add_method(name)
        return plan

    @cached_property
    def first(self) -> list[str]:
        """The methods of the first table; none where that would be the whole one."""
        methods, pairs = self.work.methods, self.work.cfg.evaluate.compare
        if not pairs:
            return []
        named = {name for name, method in methods.items() if not method.drawn} | {*pairs[0]}
        leading = self._leading(job for job in self.before if job.name in named)
        found = [
            name for name in in_order(methods)
            if {job for job in self.before if job.name == name and job.kind == "fit"} <= leading
        ]  # fmt: skip
        return found if len(found) < len(methods) else []

    @cached_property
    def order(self) -> dict[Job, tuple[bool, int]]:
        """Of two jobs that wait for nothing the one with the lower value is to be done."""
        leading = self._leading(job for job in self.before if job.name in self.first)
        chain = dict(self.takes)
        for job in reversed(self.before):
            for earlier in self.before[job]:
                chain[earlier] = max(chain[earlier], self.takes[earlier] + chain[job])
        return {job: (job not in leading, -chain[job]) for job in self.before}

    def answered(self, done: Iterable[Job]) -> set[str]:
        """The methods whose jobs are all among ``done``."""
        return {*self.work.methods} - {job.name for job in self.before.keys() - {*done}}

    def _leading(self, jobs: Iterable[Job]) -> set[Job]:
        """``jobs`` and all that they wait for."""
        found: set[Job] = set()
        left = [job for job in jobs if job.kind != "ids"]
        while left:
            job = left.pop()
            if job not in found:
                found.add(job)
                left += self.before[job]
        return found

    def _add(self, job: Job, before: Iterable[Job], takes: int, *fits: str) -> None:
        """Adds a job that makes ``fits``, after those that make them as well."""
        makers = {self.makers.setdefault(fit, job) for fit in fits}
        self.before[job] = ({*before} | makers) - {job}
        self.takes[job] = takes

    def _add_ids(self, name: str, nth: int) -> None:
        views = self.work.views[name].values()
        points = [point for view in views for point in view.points()]
        fits = {_fit(point, seed) for point in points for seed in {0, nth}}
        texts = [f"text {encoder}"] if (encoder := self.work.cfg.ids[name].vectors.text) else []
        takes = max([TRAINED, *map(_takes, points)])
        self._add(Job("ids", name, nth), (), takes, *sorted(fits), *texts)

    def _add_method(self, name: str) -> None:
        method, points, trials = self.work.methods[name], self.work.methods[name].points(), []
        if len(points) > 1:
            for n, point in enumerate(points):
                trials.append(job := Job("trial", name, 0, str(n)))
                self._add(job, self._needed(point, 0), _takes(point), f"trial {_fit(point, 0)}")
        for nth in range(self.work.cfg.repeats) if method.drawn else (0,):
            fit, before = Job("fit", name, nth), {*trials}
            for point in points:
                before |= self._needed(point, nth)
            if not trials:
                before |= {*self._add_parts(name, nth)}
            fits = [] if trials and not nth else [_fit(point, nth) for point in points]
            self._add(fit, before, OTHER if trials and not nth else _takes(method), *fits)
            for part in self.work.cfg.evaluate.parts:
                self._add(Job("answers", name, nth, part), {fit, Job("fit", name, 0)}, OTHER)

    def _add_parts(self, name: str, nth: int) -> Iterator[Job]:
        """The jobs that fit the parts of a method, those of earlier jobs included."""
        method = self.work.methods[name]
        for need_name, need in method.needs(self._seed(method, nth)).items():
            if isinstance(need, Part):
                fit = _fit(need.method, nth)
                if fit not in self.makers:
                    job = Job("part", name, nth, need_name)
                    self._add(job, self._needed(need.method, nth), _takes(need.method), fit)
                yield self.makers[fit]

    def _needed(self, method: Method, nth: int) -> set[Job]:
        """The jobs that make ids and models which a fit of ``method`` reads."""
        seed = self._seed(method, nth)
        return self._of({**method.needs(seed), **method.beside(seed)}, nth)

    def _of(self, needs: Mapping[str, Need], nth: int) -> set[Job]:
        found: set[Job] = set()
        for need in needs.values():
            match need:
                case Codes(name):
                    found.add(Job("ids", name, nth))
                case Model(name) if (start := self.work.methods.get(name)) is not None:
                    found.add(Job("fit", name, nth if start.drawn else 0))
                case Part(method):
                    found |= self._needed(method, nth)
                case Made():
                    found |= self._of(need.needs, nth)
        return found

    def _seed(self, method: Method, nth: int) -> int:
        return method.first_seed(self.work.prepared.corpus.split.seed) + nth


def _takes(method: Method) -> int:
    return LANGUAGE_MODEL if method.collective else TRAINED if method.drawn else OTHER


def _fit(method: Method, nth: int) -> str:
    """A word for a fit, the same for methods that share it."""
    named = [method.semantic_ids, method.starts_from, method.permute_histories]
    return digest([method.fit_settings(), *named, nth if method.drawn else 0])
