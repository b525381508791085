"""Time, codebook use and memory of semantic ids.

python scripts/bench_ids.py schemes --vectors VECTORS.npy [--levels 3 --codebook 256]
python scripts/bench_ids.py scale --items 100000 1000000

``schemes`` fits each scheme to the vectors in a file, beside scikit-learn's k-means on all points,
level by level. ``scale`` uses random vectors, with a separate process for each size to measure its
peak memory, and then assigns codes to 10,000 new items.
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
from p5rec.core.item_codes import ItemCodes
from p5rec.core.rng import id_keys
from p5rec.core.types import TRAIN, Catalog, Corpus, Interactions, Split
from p5rec.ids.base import Fitted, fit
from p5rec.ids.codebook_metrics import usage
from p5rec.ids.config import BY_VECTORS, IdsConfig
from p5rec.ids.encoder import ItemEncoder
from p5rec.ids.prefixes import sharing
from p5rec.ids.quantiser import Residual, error

WIDTH = 384
MORE = 10_000


def corpus_of(n_items: int) -> Corpus:
    """Items without events and attributes."""
    empty = np.zeros(1, dtype=np.int32)
    keys = id_keys(["u"]), id_keys(range(n_items))
    log = Interactions(empty, empty, empty.astype(np.int64), None, *keys)
    table = pa.table({"item": np.arange(n_items).astype(str), "title": np.full(n_items, "")})
    return Corpus(log, Catalog(table), Users.of(["u"]), Split("all", np.full(1, TRAIN, np.int8)))


def config(scheme: str, levels: int, codebook: int) -> IdsConfig:
    """Ids from vectors in a file only."""
    vectors = {"text": None, "cooccurrence": None, "file": {"path": "given"}}
    return IdsConfig(scheme=scheme, levels=levels, codebook=codebook, vectors=vectors)


def print_line(name: str, seconds: float, fitted: Fitted, vectors: np.ndarray) -> None:
    """Prints time, codebook use of each level, and error before and after resolving collisions."""
    used = " ".join(f"{level['utilisation']:.1%}" for level in usage(fitted.codes))
    collisions = fitted.collisions
    assert collisions.error_before is not None
    assert collisions.error_after is not None
    print(
        f"{name:<12} {seconds:7.1f} s   used {used}   "
        f"shared {collisions.before:>6} -> {collisions.after}   "
        f"error {collisions.error_before:.4f} -> {collisions.error_after:.4f}",
        flush=True,
    )


def schemes(path: Path, levels: int, codebook: int, names: list[str]) -> None:
    """Fits every scheme to the vectors in a file."""
    vectors = np.load(path).astype(np.float32)
    corpus = corpus_of(len(vectors))
    print(f"{len(vectors):,} items x {vectors.shape[1]}, {levels} x {codebook} codes")
    for name in names or sorted(BY_VECTORS):
        started = time.perf_counter()
        fitted = fit(config(name, levels, codebook), corpus, {"file": vectors})
        print_line(name, time.perf_counter() - started, fitted, vectors)
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
    """Residual k-means of scikit-learn on all points; collisions stay."""
    from sklearn.cluster import KMeans

    left, codes, books = vectors.copy(), [], []
    for _ in range(levels):
        means = KMeans(codebook, n_init=2, random_state=0).fit(left)
        codes.append(means.labels_)
        books.append(means.cluster_centers_)
        left -= means.cluster_centers_[means.labels_]
    table = np.stack(codes, axis=1).astype(np.int32)
    return ItemCodes(table, (codebook,) * levels, "plain"), tuple(books)


def clustered(n_items: int, seed: int) -> np.ndarray:
    """``(n, 384)`` float32: points around 2,000 centres of different sizes."""
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
    """Assigns codes to ``n_items`` random vectors, and to 10,000 new ones."""
    settings = config("rq-kmeans", 4, 256)
    vectors = clustered(n_items, 1)
    corpus = corpus_of(n_items)
    started = time.perf_counter()
    fitted = fit(settings, corpus, {"file": vectors})
    seconds = time.perf_counter() - started
    print_line(f"{n_items:,}", seconds, fitted, vectors)
    del vectors
    more, table = clustered(MORE, 2), corpus_of(n_items + MORE)
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
    options = parser.parse_args()
    if options.command == "schemes":
        schemes(options.vectors, options.levels, options.codebook, options.names)
    elif len(options.items) == 1:
        scale(options.items[0])
    else:
        for n_items in options.items:
            subprocess.run([sys.executable, __file__, "scale", "--items", str(n_items)], check=True)


if __name__ == "__main__":
    main()
