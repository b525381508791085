"""The jobs of a run: what waits for what, what comes first, and that they make what the run asks
for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from p5rec.core.artefacts import Store
from p5rec.core.config import bind, read_tree
from p5rec.core.paths import assets
from p5rec.core.progress import silent
from p5rec.core.recipes import config_path, load
from p5rec.data.prepare import load_corpus, prepare_data
from p5rec.pipeline import parallel
from p5rec.pipeline.jobs import Job, Work
from p5rec.pipeline.plan import Plan
from p5rec.pipeline.prepared import Prepared

SCRIPT = assets("recipes") / "sft.py"
WORLD = {"source": "world", "world": {"kind": "markov", "users": 30, "items": 24, "events": 8}}
SMALL: Mapping[str, Any] = {
    "name": "small",
    "data": WORLD,
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
            "decode": {"search": "items"},
        },
        "mixed": {"kind": "fusion", "parts": {
            "network": "network",
            "popular": {"kind": "popularity", "tune": {"half_life": [None, 0.1]}},
        }},
        "short": {"kind": "bpr", "epochs": 2, "tune": {"l2": [0.005, 0.01]}},
    },
    "evaluate": {"k": 5, "samples": 0, "compare": [["mixed", "item-knn"]]},
}  # fmt: skip


def work_of(tree: Mapping[str, Any], store: Store) -> Work:
    module = load(SCRIPT)
    cfg: Any = module.settle(bind(module.SCHEMA, dict(tree), {}, SCRIPT), {})
    data = prepare_data(cfg.data, store)
    return Work(cfg, Prepared(load_corpus(data.path).validated(exclude_seen=True), data, store))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", lambda _: None, 0)


def test_every_job_stands_after_those_that_it_waits_for(store: Store) -> None:
    plan = Plan.of(work_of(SMALL, store))
    seen: set[Job] = set()
    for job, before in plan.before.items():
        assert before <= seen
        seen.add(job)
    assert plan.before[Job("fit", "short")] == {
        Job("trial", "short", 0, "0"), Job("trial", "short", 0, "1")
    }  # fmt: skip
    assert plan.before[Job("answers", "short", 1, "test")] == {
        Job("fit", "short"), Job("fit", "short", 1)
    }  # fmt: skip


def test_a_fit_that_methods_share_is_one_job_s(store: Store) -> None:
    plan = Plan.of(work_of(SMALL, store))
    for nth in (0, 1):
        before = plan.before[Job("fit", "mixed", nth)]
        assert Job("fit", "network", nth) in before, "no job of its own for the recipe's method"
        assert Job("fit", "popularity") in before, "a point of the part is the recipe's baseline"
        parts = {job.detail for job in plan.before if job.kind == "part" and job.name == "mixed"}
        assert parts == {"popular.1"}


def test_the_methods_that_are_compared_first_come_first(store: Store) -> None:
    plan = Plan.of(work_of(SMALL, store))
    assert plan.first == ["popularity", "item-knn", "network", "mixed"]
    order = sorted(plan.before, key=plan.order.__getitem__)
    last = max(order.index(job) for job in order if job.name in plan.first)
    assert all(job.name == "short" for job in order[last + 1 :])
    assert order[0].kind == "ids", "the longest chain begins there"
    alone = Plan.of(work_of({**SMALL, "evaluate": {"samples": 0}}, store))
    assert alone.first == []
    assert (
        Plan.of(work_of(read_tree(config_path("tiny"), [])[0] | {"name": "tiny"}, store)).first
        == []
    )


def test_the_jobs_make_all_that_the_run_asks_for(store: Store) -> None:
    work = work_of(SMALL, store)
    plan, done = Plan.of(work), set[Job]()
    with silent():
        assert parallel._found(plan) == set()
        while left := [job for job in plan.before if job not in done]:
            job = next(job for job in reversed(left) if plan.before[job] <= done)
            Work(work.cfg, work.prepared).do(job)  # as a process that knows nothing of the others
            done.add(job)
        assert parallel._found(plan) == done
        found = Prepared(work.prepared.corpus, work.prepared.data, store.without_making())
        made = load(SCRIPT).outputs(work.cfg, found, list(work.methods))
    assert made.fitted.keys() == work.methods.keys()
    assert [len(runs) for runs in made.answers["test"].values()] == [1, 1, 2, 2, 2]


def test_one_job_at_a_time_among_launched_processes_and_for_small_logs(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = work_of(SMALL, store).prepared.corpus
    assert parallel.allowed(None, corpus) == 1
    assert parallel.allowed(3, corpus) == 3
    monkeypatch.setattr(parallel, "SMALL", 10)
    monkeypatch.setattr(parallel, "cores", lambda: 8)
    monkeypatch.setattr(parallel, "free_memory", lambda: 5 * parallel.EACH)
    assert parallel.allowed(None, corpus) == 4
    monkeypatch.setattr(parallel, "free_memory", lambda: 0)
    assert parallel.allowed(None, corpus) == 1
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert parallel.allowed(3, corpus) == 1
