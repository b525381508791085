"""Parallel runs: worker processes compute the stages of a run, and the run reads them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from p5rec.core.artefacts import Artefact, NotCached
from p5rec.core.cores import cores, free_memory
from p5rec.core.launch import processes
from p5rec.core.progress import no_progress_bars
from p5rec.core.types import Corpus
from p5rec.methods.plugins import imported

from .job_graph import JobGraph
from .jobs import Job, JobRunner
from .prepared import Prepared
from .worker_display import WorkerDisplay
from .worker_pool import WorkerPool

SMALL_LOG = 20_000  # events; fitting fewer takes less time than starting a process
WORKER_BYTES = 3 * 2**30  # memory of a worker
ITEM_PAIR_BYTES = 32  # its further memory for each pair of items, in closed-form methods


def parallel_jobs(jobs: int | None, corpus: Corpus) -> int:
    """The number of jobs that run in parallel.

    Args:
        jobs: the user's number; None: as many as cores and memory allow, and 1 for a small log.
            With a GPU, and in a launch of several processes, the number is always 1.
        corpus: the data that methods are fitted to.
    """
    if processes() > 1 or torch.cuda.is_available():
        return 1
    if jobs is not None:
        return jobs
    if len(corpus.interactions) < SMALL_LOG:
        return 1
    each = WORKER_BYTES + ITEM_PAIR_BYTES * corpus.interactions.n_items**2
    return max(1, min(cores(), free_memory() // each))


@contextmanager
def in_parallel(
    runner: JobRunner, script: Path, jobs: int, on_first: Callable[[Prepared, list[str]], None]
) -> Iterator[Prepared]:
    """Computes the stages of a run in parallel, before the body of the context requests them.

    This process and the workers then use one thread each, so results are the same for any number
    of jobs above one. With one job this context does nothing.

    Args:
        runner: runs the jobs.
        script: the recipe.
        jobs: number of jobs in parallel.
        on_first: called with the first methods (:attr:`.job_graph.JobGraph.first`) when their jobs
            are done and others are not.

    Yields:
        The data, with a store that logs each stage once.

    Raises:
        UserError: a job failed; no stage is left incomplete, and a rerun resumes.
    """
    if jobs == 1:
        yield runner.prepared
        return
    prepared = replace(runner.prepared, store=runner.prepared.store.notifying_once())
    runner = replace(runner, prepared=prepared)
    with _one_thread():
        graph = JobGraph.of(runner)
        with no_progress_bars():
            done = _cached_jobs(graph)
        if _has_parallel_jobs(graph, done):
            print(f"up to {jobs} jobs in parallel, one thread each", flush=True)
            _run_jobs(graph, done, script, jobs, on_first)
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


def _cached_jobs(graph: JobGraph) -> set[Job]:
    """The jobs whose stages are all cached."""
    prepared = graph.runner.prepared
    runner = replace(graph.runner, prepared=replace(prepared, store=prepared.store.cached_only()))
    done: set[Job] = set()
    for job, dependencies in graph.dependencies.items():
        if dependencies <= done:
            try:
                runner.run(job)
                done.add(job)
            except NotCached:
                pass
    return done


def _has_parallel_jobs(graph: JobGraph, done: set[Job]) -> bool:
    """Whether two of the remaining jobs can run at the same time."""
    depth: dict[Job, int] = {}
    for job, dependencies in graph.dependencies.items():
        if job not in done:
            depth[job] = 1 + max((depth.get(earlier, 0) for earlier in dependencies), default=0)
    return max(Counter(depth.values()).values(), default=0) > 1


def _run_jobs(
    graph: JobGraph,
    done: set[Job],
    script: Path,
    jobs: int,
    on_first: Callable[[Prepared, list[str]], None],
) -> None:
    """Runs the jobs that are not ``done`` in worker processes."""
    prepared = graph.runner.prepared
    notified = prepared.store.notified
    assert notified is not None
    assert isinstance(prepared.data, Artefact)
    run = {
        "plugins": imported(),
        "script": str(script.absolute()),
        "config": graph.runner.cfg.dump(),
        "store": str(prepared.store.root.absolute()),
        "data": str(prepared.data.path.absolute()),
        "command": sys.argv,
    }
    waiting = sorted(graph.dependencies.keys() - done, key=graph.priority.__getitem__)
    first_pending = bool(graph.first)
    with WorkerPool(run, jobs, WorkerDisplay()) as pool:
        while len(done) < len(graph.dependencies):
            for job in [job for job in waiting if graph.dependencies[job] <= done]:
                if pool.has_capacity:
                    waiting.remove(job)
                    pool.submit(job, notified)
            if first_pending and {*graph.first} <= graph.finished_methods(done):
                with no_progress_bars():
                    on_first(prepared, graph.first)
                first_pending = False
            job, stages = pool.wait_for_one()
            done.add(job)
            notified.update(stages)
