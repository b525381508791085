"""How long the tree of a catalogue takes to build, and how much memory.

python scripts/bench_trie.py [--items 1000000 10000000]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from decode_ways import BOOK, LEVELS, random_codes

from p5rec.decode.trie import Trie


def main() -> None:
    """Seconds and memory for random codes, each size in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, nargs="+", default=[1_000_000, 10_000_000])
    sizes = parser.parse_args().items
    if len(sizes) == 1:
        measure(sizes[0])
        return
    for items in sizes:
        subprocess.run([sys.executable, __file__, "--items", str(items)], check=True)


def measure(items: int) -> None:
    """One line."""
    codes = random_codes(items, items + items // 50)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _memory("VmRSS")
    started = time.perf_counter()
    made = Trie.build(codes, (BOOK,) * LEVELS)
    seconds = time.perf_counter() - started
    more = _memory("VmHWM") - before
    tensors = (*made.starts, *made.codes, *made.leaf_starts, made.leaf_item)
    size = sum(t.numel() * t.element_size() for t in tensors) / 2**20
    print(f"{len(made):>11,} items x {LEVELS}: {seconds:.2f} s, the tree {size:.0f} MiB, "
          f"peak {more:.0f} MiB above the codes")  # fmt: skip


def _memory(name: str) -> float:
    """MiB of this process, as Linux counts it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


if __name__ == "__main__":
    main()
