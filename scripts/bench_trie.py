"""Time and memory to build the trie of a catalogue.

python scripts/bench_trie.py [--items 1000000 10000000]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from decoders import BOOK, LEVELS, random_codes

from p5rec.decode.trie import Trie


def main() -> None:
    """Measures random codes, each size in a separate process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, nargs="+", default=[1_000_000, 10_000_000])
    sizes = parser.parse_args().items
    if len(sizes) == 1:
        measure(sizes[0])
        return
    for items in sizes:
        subprocess.run([sys.executable, __file__, "--items", str(items)], check=True)


def measure(items: int) -> None:
    """Prints the time and memory for one size."""
    codes = random_codes(items, items + items // 50)
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = _memory("VmRSS")
    started = time.perf_counter()
    trie = Trie.build(codes, (BOOK,) * LEVELS)
    seconds = time.perf_counter() - started
    more = _memory("VmHWM") - before
    tensors = (*trie.starts, *trie.codes, *trie.leaf_starts, trie.leaf_item)
    size = sum(t.numel() * t.element_size() for t in tensors) / 2**20
    print(f"{len(trie):>11,} items x {LEVELS}: {seconds:.2f} s, the trie {size:.0f} MiB, "
          f"peak {more:.0f} MiB above the codes")  # fmt: skip


def _memory(name: str) -> float:
    """Memory of this process in MiB, from Linux's counter ``name``."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


if __name__ == "__main__":
    main()
