"""How long item codes take, how well they are used, and what they cost in memory.

python scripts/bench_ids.py schemes --vectors VECTORS.npy [--levels 3 --codebook 256]
python scripts/bench_ids.py scale --items 100000 1000000

``schemes`` fits each scheme over vectors to a file of them, beside scikit-learn's k-means on all
points, level after level, which is what one would otherwise write. ``scale`` makes its vectors,
each size in a process of its own so that its peak memory is its own, and then codes 10,000 more.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from p5rec.core.features import Users
from p5rec.core.rng import id_keys
from p5rec.core.types import TRAIN, Catalog, Corpus, Interactions, ItemCodes, Split
from p5rec.ids.base import Fitted, fit
from p5rec.ids.config import BY_VECTORS, IdsConfig
from p5rec.ids.encoder import ItemEncoder
from p5rec.ids.prefixes import sharing
from p5rec.ids.quality import usage
from p5rec.ids.quantiser import Residual, error

WIDTH = 384
MORE = 10_000


def corpus_of(n_items: int) -> Corpus:
    """Items of which nothing is known but their vectors."""
    empty = np.zeros(1, dtype=np.int32)
    keys = id_keys(["u"]), id_keys(range(n_items))
    log = Interactions(empty, empty, empty.astype(np.int64), None, *keys)
    table = pa.table({"item": np.arange(n_items).astype(str), "title": np.full(n_items, "")})
    return Corpus(log, Catalog(table), Users.of(["u"]), Split("all", np.full(1, TRAIN, np.int8)))


def config(scheme: str, levels: int, codebook: int) -> IdsConfig:
    """Codes out of vectors from a file, and nothing else."""
    vectors = {"text": None, "cooccurrence": None, "file": {"path": "given"}}
    return IdsConfig(scheme=scheme, levels=levels, codebook=codebook, vectors=vectors)


def told(name: str, seconds: float, fitted: Fitted, vectors: np.ndarray) -> None:
    """One line: time, use of each level, error before and after collisions were resolved."""
    used = " ".join(f"{level['utilisation']:.1%}" for level in usage(fitted.codes))
    found = fitted.collisions
    assert found.error_before is not None
    assert found.error_after is not None
    print(
        f"{name:<12} {seconds:7.1f} s   used {used}   shared {found.before:>6} -> {found.after}   "
        f"error {found.error_before:.4f} -> {found.error_after:.4f}",
        flush=True,
    )


def schemes(path: Path, levels: int, codebook: int, names: list[str]) -> None:
    """Every scheme over vectors, on the vectors in a file."""
    vectors = np.load(path).astype(np.float32)
    corpus = corpus_of(len(vectors))
    print(f"{len(vectors):,} items x {vectors.shape[1]}, {levels} x {codebook} codes")
    for name in names or sorted(BY_VECTORS):
        started = time.perf_counter()
        fitted = fit(config(name, levels, codebook), corpus, {"file": vectors})
        told(name, time.perf_counter() - started, fitted, vectors)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    started = time.perf_counter()
    codes, books = plain_means(unit, levels, codebook)
    seconds = time.perf_counter() - started
    used = " ".join(f"{row['utilisation']:.1%}" for row in usage(codes))
    wrong = error(Residual(books), codes.codes, unit)
    print(f"{'scikit-learn':<12} {seconds:7.1f} s   used {used}   shared "
          f"{sharing(codes.codes):>6}      error {wrong:.4f}")  # fmt: skip


def plain_means(
    vectors: np.ndarray, levels: int, codebook: int
) -> tuple[ItemCodes, tuple[np.ndarray, ...]]:
    """Residual k-means by scikit-learn alone, on all points, collisions left as they are."""
    from sklearn.cluster import KMeans

    left, codes, books = vectors.copy(), [], []
    for _ in range(levels):
        means = KMeans(codebook, n_init=2, random_state=0).fit(left)
        codes.append(means.labels_)
        books.append(means.cluster_centers_)
        left -= means.cluster_centers_[means.labels_]
    table = np.stack(codes, axis=1).astype(np.int32)
    return ItemCodes(table, (codebook,) * levels, "plain"), tuple(books)


def made(n_items: int, seed: int) -> np.ndarray:
    """``(n, 384)`` float32: points around 2,000 centres, unequally many at each."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(2000, WIDTH)).astype(np.float32)
    share = 1 / np.arange(1, 2001) ** 0.7
    rng = np.random.default_rng(seed)
    own = rng.choice(2000, n_items, p=share / share.sum())
    out = np.empty((n_items, WIDTH), dtype=np.float32)
    for start in range(0, n_items, 65_536):
        rows = slice(start, start + 65_536)
        noise = rng.standard_normal((len(own[rows]), WIDTH), dtype=np.float32)
        out[rows] = centres[own[rows]] + 0.7 * noise
    return out


def scale(n_items: int) -> None:
    """Codes for ``n_items`` made vectors, and for 10,000 more."""
    settings = config("rq-kmeans", 4, 256)
    vectors = made(n_items, 1)
    corpus = corpus_of(n_items)
    started = time.perf_counter()
    fitted = fit(settings, corpus, {"file": vectors})
    seconds = time.perf_counter() - started
    told(f"{n_items:,}", seconds, fitted, vectors)
    del vectors
    more, table = made(MORE, 2), corpus_of(n_items + MORE)
    assert fitted.quantiser is not None
    encoder = ItemEncoder(settings, fitted.quantiser, fitted.fusion)
    rows = np.arange(n_items, n_items + MORE)
    started = time.perf_counter()
    placed = encoder.extend(fitted.codes, table, rows, {"file": more})
    seconds = time.perf_counter() - started
    assert sharing(np.concatenate([fitted.codes.codes, placed])) == 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{'':<12} {seconds:7.1f} s   to code {MORE:,} more; peak memory {peak:.2f} GiB")


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("schemes")
    one.add_argument("--vectors", type=Path, required=True)
    one.add_argument("--levels", type=int, default=3)
    one.add_argument("--codebook", type=int, default=256)
    one.add_argument("names", nargs="*", help="schemes; all over vectors where none is named")
    two = commands.add_parser("scale")
    two.add_argument("--items", type=int, nargs="+", default=[100_000, 1_000_000])
    asked = parser.parse_args()
    if asked.command == "schemes":
        schemes(asked.vectors, asked.levels, asked.codebook, asked.names)
    elif len(asked.items) == 1:
        scale(asked.items[0])
    else:
        for n_items in asked.items:
            subprocess.run([sys.executable, __file__, "scale", "--items", str(n_items)], check=True)


if __name__ == "__main__":
    main()
