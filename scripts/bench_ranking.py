"""Speed of ranking full score matrices against a full sort and a plain top-k.

python scripts/bench_ranking.py [--rows 512] [--k 20]

Ranks the scores of a catalogue by :func:`p5rec.recommend.ranking.rank`, by a stable sort of all
scores with seeded ties (its lists must be equal), and by ``torch.topk``, which ignores the order of
ties; once with distinct scores, once with many ties. One thread; the best of five runs.
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
    """The shortest time of ``work``."""
    times = []
    for _ in range(5):
        started = perf_counter()
        work()
        times.append(perf_counter() - started)
    return min(times)


def by_sort(scores: np.ndarray, k: int, tie: np.ndarray) -> np.ndarray:
    """The same lists by a full sort."""
    by_tie = np.argsort(tie)
    order = np.argsort(-scores[:, by_tie], axis=1, kind="stable")[:, :k]
    lists: np.ndarray = by_tie[order]
    return lists


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--k", type=int, default=20)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    print("| items | scores | ms a list | a full sort, times that | torch.topk, times that |")
    print("|---|---|---|---|---|")
    for n_items in (1_682, 12_101, 100_000):
        rows, tie = max(8, min(options.rows, CELLS // n_items)), rng.permutation(n_items)
        drawn = rng.normal(size=(rows, n_items)).astype(np.float32)
        for name, scores in (("drawn", drawn), ("tied", np.floor(drawn * 2))):
            items, _ = rank(scores, options.k, tie)
            assert np.array_equal(items, by_sort(scores, options.k, tie))
            own = seconds(lambda s=scores, t=tie: rank(s, options.k, t))
            full = seconds(lambda s=scores, t=tie: by_sort(s, options.k, t))
            plain = seconds(lambda s=scores: torch.from_numpy(s).topk(options.k))
            print(f"| {n_items:,} | {name} | {1000 * own / rows:.3f} | {full / own:.1f} "
                  f"| {plain / own:.2f} |")  # fmt: skip


if __name__ == "__main__":
    main()
