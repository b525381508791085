"""The cores, load and free memory of this machine, and the settings of a one-thread process."""

from __future__ import annotations

import os
from pathlib import Path

# the numerical libraries read these variables when they are loaded
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
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def overload() -> float:
    """The load average of the last minute (processes that run or wait for a core) if it is above
    the number of this machine's cores, else 0; also 0 on a system without load averages."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return load if load > (os.cpu_count() or 1) else 0.0


def free_memory() -> int:
    """Bytes of free memory, within the limit of the container.

    On a system without ``/proc/meminfo`` half of the physical memory counts as free.
    """
    free = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2]
    if MEMINFO.is_file():
        lines = MEMINFO.read_text().splitlines()
        free = [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    limit, used = CONTAINER / "memory.max", CONTAINER / "memory.current"
    if limit.is_file() and (maximum := limit.read_text().strip()).isdigit():
        free.append(int(maximum) - int(used.read_text()))
    return max(0, min(free, default=0))
