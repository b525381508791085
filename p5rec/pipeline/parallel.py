"""The jobs of a run in parallel: workers make its stages, and the run finds them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from p5rec.core.artefacts import Artefact, NotMade
from p5rec.core.cores import cores, free_memory
from p5rec.core.launch import processes
from p5rec.core.progress import silent
from p5rec.core.types import Corpus

from .board import Board
from .crew import Crew
from .jobs import Job, Work
from .plan import Plan
from .prepared import Prepared

SMALL = 20_000  # events; a process starts in the time in which less is fitted
EACH = 3 * 2**30  # bytes of memory that a worker takes
CELL = 32  # further bytes for each pair of items, which methods in closed form hold


def allowed(jobs: int | None, corpus: Corpus) -> int:
    """How many jobs are done at a time.

    Args:
        jobs: what the user says; None: as many as cores and memory allow, one where the log is
            small. With a GPU and among processes launched together it is one in any case.
        corpus: what is fitted to.
    """
    if processes() > 1 or torch.cuda.is_available():
        return 1
    if jobs is not None:
        return jobs
    if len(corpus.interactions) < SMALL:
        return 1
    return max(1, min(cores(), free_memory() // (EACH + CELL * corpus.interactions.n_items**2)))


@contextmanager
def in_parallel(
    work: Work, script: Path, jobs: int, first: Callable[[Prepared, list[str]], None]
) -> Iterator[Prepared]:
    """Makes the stages of a run, several at a time, before what is inside asks for them.

    Everything is computed in one thread then, here and in the workers, so the figures are the same
    for any number of jobs above one. With one job this does nothing.

    Args:
        work: the jobs.
        script: the recipe.
        jobs: at a time.
        first: called with the methods of the first table (:attr:`.plan.Plan.first`) as soon as
            they are done and others are not.

    Yields:
        The data, and the store, which says no line of a stage twice.

    Raises:
        UserError: a job failed; nothing half-made is left, and a rerun goes on.
    """
    if jobs == 1:
        yield work.prepared
        return
    prepared = replace(work.prepared, store=work.prepared.store.telling_once())
    work = replace(work, prepared=prepared)
    with _one_thread():
        plan = Plan.of(work)
        with silent():
            done = _found(plan)
        if _wide(plan, done):
            print(f"up to {jobs} jobs at a time, one thread each", flush=True)
            _make(plan, done, script, jobs, first)
        yield prepared


@contextmanager
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(threads)


def _found(plan: Plan) -> set[Job]:
    """The jobs that are done."""
    store = plan.work.prepared.store.without_making()
    work = replace(plan.work, prepared=replace(plan.work.prepared, store=store))
    done: set[Job] = set()
    for job, before in plan.before.items():
        if before <= done:
            try:
                work.do(job)
                done.add(job)
            except NotMade:
                pass
    return done


def _wide(plan: Plan, done: set[Job]) -> bool:
    """Whether any two jobs that are not done can be done at a time."""
    depth: dict[Job, int] = {}
    for job, before in plan.before.items():
        if job not in done:
            depth[job] = 1 + max((depth.get(earlier, 0) for earlier in before), default=0)
    return max(Counter(depth.values()).values(), default=0) > 1


def _make(
    plan: Plan,
    done: set[Job],
    script: Path,
    jobs: int,
    first: Callable[[Prepared, list[str]], None],
) -> None:
    prepared = plan.work.prepared
    told = prepared.store.told
    assert told is not None
    assert isinstance(prepared.data, Artefact)
    run = {
        "script": str(script.absolute()),
        "config": plan.work.cfg.dump(),
        "store": str(prepared.store.root.absolute()),
        "data": str(prepared.data.path.absolute()),
        "command": sys.argv,
    }
    waiting = sorted(plan.before.keys() - done, key=plan.order.__getitem__)
    due = bool(plan.first)
    with Crew(run, jobs, Board()) as crew:
        while len(done) < len(plan.before):
            for job in [job for job in waiting if plan.before[job] <= done]:
                if crew.free:
                    waiting.remove(job)
                    crew.give(job, told)
            if due and {*plan.first} <= plan.answered(done):
                with silent():
                    first(prepared, plan.first)
                due = False
            job, stages = crew.next()
            done.add(job)
            told.update(stages)
