"""How much of this machine a run may take: cores and memory."""

from __future__ import annotations

import os
from pathlib import Path

# what the numerical libraries read when they are loaded
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
MEMINFO, CONTAINER = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_memory() -> int:
    """Bytes of memory that are free, as far as the system says so; half of all where it does not
    say."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2]
    if MEMINFO.is_file():
        lines = MEMINFO.read_text().splitlines()
        found = [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    limit, used = CONTAINER / "memory.max", CONTAINER / "memory.current"
    if limit.is_file() and (most := limit.read_text().strip()).isdigit():
        found.append(int(most) - int(used.read_text()))
    return max(0, min(found, default=0))
