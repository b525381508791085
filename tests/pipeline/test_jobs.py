"""The jobs of a run: dependencies, priorities, and whether they compute all stages of the run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tiny_models import save_llama

from p5rec.core.artefacts import Store
from p5rec.core.config import bind, read_tree
from p5rec.core.paths import assets
from p5rec.core.progress import no_progress_bars
from p5rec.core.recipes import config_path, load
from p5rec.data.prepare import load_corpus, prepare_data
from p5rec.methods.registry import METHODS
from p5rec.pipeline import parallel
from p5rec.pipeline.job_graph import JobGraph
from p5rec.pipeline.jobs import Job, JobRunner
from p5rec.pipeline.prepared import Prepared

SCRIPT = assets("recipes") / "sft.py"
SYNTHETIC = {
    "source": "synthetic",
    "synthetic": {"kind": "markov", "users": 30, "items": 24, "events": 8},
}
SMALL: Mapping[str, Any] = {
    "name": "small",
    "data": SYNTHETIC,
    "ids": {"semantic": {"levels": 2, "codebook": 6,
                         "vectors": {"text": None, "cooccurrence": {"dim": 4, "window": 2}}}},
    "baselines": ["popularity", "item-knn"],
    "repeats": 2,
    "methods": {
        "network": {
            "backbone": {"kind": "scratch", "width": 16, "layers": 1, "heads": 2,
                         "feedforward": 16},
            "item_head": {},
            "train": {"steps": 4, "batch": 4, "precision": "float32"},
            "decode": {"search": "item-head"},
        },
        "mixed": {"kind": "fusion", "components": {
            "network": "network",
            "popular": {"kind": "popularity", "tune": {"half_life": [None, 0.1]}},
        }},
        "short": {"kind": "bpr", "epochs": 2, "tune": {"l2": [0.005, 0.01]}},
    },
    "evaluate": {"k": 5, "samples": 0, "compare": [["mixed", "item-knn"]]},
}  # fmt: skip


def runner_of(tree: Mapping[str, Any], store: Store) -> JobRunner:
    module = load(SCRIPT)
    cfg: Any = module.settle(bind(module.SCHEMA, dict(tree), {}, SCRIPT), {})
    data = prepare_data(cfg.data, store)
    corpus = load_corpus(data.path).with_validation(exclude_seen=True)
    return JobRunner(cfg, Prepared(corpus, data, store))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", lambda _: None, 0)


def test_every_job_stands_after_its_dependencies(store: Store) -> None:
    graph = JobGraph.of(runner_of(SMALL, store))
    seen: set[Job] = set()
    for job, dependencies in graph.dependencies.items():
        assert dependencies <= seen
        seen.add(job)
    assert graph.dependencies[Job("fit", "short")] == {
        Job("trial", "short", 0, "0"), Job("trial", "short", 0, "1")
    }  # fmt: skip
    assert graph.dependencies[Job("predictions", "short", 1, "test")] == {
        Job("fit", "short"), Job("fit", "short", 1)
    }  # fmt: skip


def test_methods_that_share_a_fit_share_a_job(store: Store) -> None:
    graph = JobGraph.of(runner_of(SMALL, store))
    for nth in (0, 1):
        dependencies = graph.dependencies[Job("fit", "mixed", nth)]
        assert Job("fit", "network", nth) in dependencies, "the recipe's method has the fit"
        assert Job("fit", "popularity") in dependencies, "the baseline has the fit"
        components = {
            job.detail
            for job in graph.dependencies
            if job.kind == "component" and job.name == "mixed"
        }
        assert components == {"popular.1"}


def test_the_first_compared_pair_has_priority(store: Store) -> None:
    graph = JobGraph.of(runner_of(SMALL, store))
    assert graph.first == ["popularity", "item-knn", "network", "mixed"]
    order = sorted(graph.dependencies, key=graph.priority.__getitem__)
    last = max(order.index(job) for job in order if job.name in graph.first)
    assert all(job.name == "short" for job in order[last + 1 :])
    assert order[0].kind == "ids", "the longest chain starts with the ids"
    no_pairs = JobGraph.of(runner_of({**SMALL, "evaluate": {"samples": 0}}, store))
    assert no_pairs.first == []
    tiny = read_tree(config_path("tiny"), [])[0] | {"name": "tiny"}
    assert JobGraph.of(runner_of(tiny, store)).first == []


def test_the_jobs_compute_all_stages_of_the_run(store: Store) -> None:
    runner = runner_of(SMALL, store)
    graph, done = JobGraph.of(runner), set[Job]()
    with no_progress_bars():
        assert parallel._cached_jobs(graph) == set()
        while remaining := [job for job in graph.dependencies if job not in done]:
            job = next(job for job in reversed(remaining) if graph.dependencies[job] <= done)
            JobRunner(runner.cfg, runner.prepared).run(job)  # shares only the store
            done.add(job)
        assert parallel._cached_jobs(graph) == done
        prepared = runner.prepared
        cached = Prepared(prepared.corpus, prepared.data, store.cached_only())
        outputs = load(SCRIPT).outputs(runner.cfg, cached, list(runner.methods))
    assert outputs.fitted.keys() == runner.methods.keys()
    assert [len(runs) for runs in outputs.predictions["test"].values()] == [1, 1, 2, 2, 2]


def test_one_job_at_a_time_in_a_launch_and_for_small_logs(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = runner_of(SMALL, store).prepared.corpus
    assert parallel.parallel_jobs(None, corpus) == 1
    assert parallel.parallel_jobs(3, corpus) == 3
    monkeypatch.setattr(parallel, "SMALL_LOG", 10)
    monkeypatch.setattr(parallel, "cores", lambda: 8)
    monkeypatch.setattr(parallel, "free_memory", lambda: 5 * parallel.WORKER_BYTES)
    assert parallel.parallel_jobs(None, corpus) == 4
    monkeypatch.setattr(parallel, "free_memory", lambda: 0)
    assert parallel.parallel_jobs(None, corpus) == 1
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert parallel.parallel_jobs(3, corpus) == 1


def test_texts_and_vectors_are_jobs_of_their_own(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS._targets, "nearest-vectors", "nearest_vectors:NearestVectors")
    encoder = str(save_llama(tmp_path / "encoder"))
    generator = {"backbone": {"name": encoder}, "max_new_tokens": 3}
    plain = {"texts": "about", "encoder": encoder}
    runner = runner_of(
        {
            "name": "stored",
            "data": SYNTHETIC,
            "ids": {},
            "baselines": ["popularity"],
            "repeats": 2,
            "texts": {
                "about": {"of": "items", "family": "describe-item", "generator": generator},
                "unused": {"of": "users", "family": "describe-user", "generator": generator},
            },
            "vectors": {
                "one": plain,
                "control": {**plain, "permuted": True},
                "unused": {"metadata": "items", "encoder": encoder},
            },
            "methods": {
                "near": {"kind": "nearest-vectors", "vectors": "one", "texts": "about"},
                "permuted": {"kind": "nearest-vectors", "vectors": "control"},
            },
            "evaluate": {"k": 5, "samples": 0},
        },
        store,
    )
    graph = JobGraph.of(runner)
    texts, one = Job("texts", "about"), Job("vectors", "one")
    assert [job for job in graph.dependencies if job.kind in ("texts", "vectors")] == [
        texts, Job("vectors", "control", 0), Job("vectors", "control", 1), one
    ]  # fmt: skip
    assert graph.dependencies[Job("fit", "near")] == {texts, one}
    assert graph.dependencies[one] == {texts, Job("vectors", "control")}, "one of them encodes"
    done = set[Job]()
    with no_progress_bars():
        for job in graph.dependencies:
            JobRunner(runner.cfg, runner.prepared).run(job)
            done.add(job)
        assert parallel._cached_jobs(graph) == done
        cached = Prepared(runner.prepared.corpus, runner.prepared.data, store.cached_only())
        outputs = load(SCRIPT).outputs(runner.cfg, cached, list(runner.methods))
    assert outputs.fitted.keys() == runner.methods.keys()
