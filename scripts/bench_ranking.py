"""Ranked lists out of dense scores, beside a full sort and a plain top-k.

python scripts/bench_ranking.py [--rows 512] [--k 20]

Scores of a catalogue are turned into lists by :func:`p5rec.recommend.ranking.rank`, by a stable
sort of all scores in the order of ties, which gives the same lists and is checked against them,
and by ``torch.topk``, which leaves ties as they fall; once with scores that all differ, once with
many ties. One thread; the best of five runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import torch

from p5rec.recommend.ranking import CELLS, rank


def seconds(work: Callable[[], Any]) -> float:
    """The least that ``work`` took."""
    times = []
    for _ in range(5):
        started = perf_counter()
        work()
        times.append(perf_counter() - started)
    return min(times)


def by_sort(scores: np.ndarray, k: int, tie: np.ndarray) -> np.ndarray:
    """The same lists, all scores sorted."""
    by_tie = np.argsort(tie)
    order = np.argsort(-scores[:, by_tie], axis=1, kind="stable")[:, :k]
    lists: np.ndarray = by_tie[order]
    return lists


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--k", type=int, default=20)
    given = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    print("| items | scores | ms a list | a full sort, times that | torch.topk, times that |")
    print("|---|---|---|---|---|")
    for n_items in (1_682, 12_101, 100_000):
        rows, tie = max(8, min(given.rows, CELLS // n_items)), rng.permutation(n_items)
        drawn = rng.normal(size=(rows, n_items)).astype(np.float32)
        for name, scores in (("drawn", drawn), ("tied", np.floor(drawn * 2))):
            items, _ = rank(scores, given.k, tie)
            assert np.array_equal(items, by_sort(scores, given.k, tie))
            own = seconds(lambda s=scores, t=tie: rank(s, given.k, t))
            full = seconds(lambda s=scores, t=tie: by_sort(s, given.k, t))
            plain = seconds(lambda s=scores: torch.from_numpy(s).topk(given.k))
            print(f"| {n_items:,} | {name} | {1000 * own / rows:.3f} | {full / own:.1f} "
                  f"| {plain / own:.2f} |")  # fmt: skip


if __name__ == "__main__":
    main()
